# SPDX-License-Identifier: Apache-2.0
# cmake -D SOURCE=FOLDER -D OUTPUT=FILE.c -P embed_page.cmake
# Puts the page together, one answer with its styles and scripts in it, and writes it into a C file
# with the policy that lets a browser run just those: it names each by its digest. Nothing is
# fetched and nothing but CMake is needed.
set(DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

# What a digest's hexadecimal digits are in base64.
function(to_base64 hex out)
	set(text "")
	string(APPEND hex "00")
	string(LENGTH ${hex} len)
	math(EXPR last "${len} - 6")
	foreach(at RANGE 0 ${last} 6)
		string(SUBSTRING ${hex} ${at} 6 three)
		foreach(shift 18 12 6 0)
			math(EXPR digit "(0x${three} >> ${shift}) & 63")
			string(SUBSTRING ${DIGITS} ${digit} 1 digit)
			string(APPEND text ${digit})
		endforeach()
	endforeach()
	# The last byte was none of the digest's.
	string(REGEX REPLACE "A$" "=" text ${text})
	set(${out} ${text} PARENT_SCOPE)
endfunction()

# Puts text between the tags that the page has for it, and its digest into a variable.
function(put tag mark text digest_out)
	if(text MATCHES "</${tag}|<!--")
		message(FATAL_ERROR "${mark}: this would end its element")
	endif()
	string(REPLACE "<${tag}>@${mark}@</${tag}>" "<${tag}>${text}</${tag}>" changed "${html}")
	if(changed STREQUAL html)
		message(FATAL_ERROR "index.html has no place for ${mark}")
	endif()
	string(SHA256 hex "${text}")
	to_base64(${hex} digest)
	set(html "${changed}" PARENT_SCOPE)
	set(${digest_out} "'sha256-${digest}'" PARENT_SCOPE)
endfunction()

file(READ ${SOURCE}/index.html html)
file(READ ${SOURCE}/page.css style)
file(READ ${SOURCE}/page.js script)
file(READ ${SOURCE}/vendor/uPlot.min.css chart_style)
file(READ ${SOURCE}/vendor/uPlot.iife.min.js chart_script)
file(READ ${SOURCE}/vendor/uPlot.LICENSE licence)
put(style STYLE "${chart_style}\n${style}" style_digest)
put(script CHART "/*\n${licence}\n*/\n${chart_script}" chart_digest)
put(script SCRIPT "${script}" script_digest)

string(CONCAT policy
	"default-src 'none'; script-src ${chart_digest} ${script_digest}; "
	"style-src ${style_digest}; img-src data:; connect-src 'self'; base-uri 'none'; "
	"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")

file(WRITE ${OUTPUT}.html "${html}")
file(READ ${OUTPUT}.html bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"admin_page_int.h\"\n\n"
	"static const unsigned char bytes[] = {${bytes}};\n"
	"const struct str admin_page = {(const char *)bytes, sizeof(bytes)};\n"
	"const char admin_page_policy[] = \"${policy}\";\n")
