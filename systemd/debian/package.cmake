# SPDX-License-Identifier: Apache-2.0
# Two Debian packages, by "cmake --build FOLDER --target package": intaked, and intake-send for
# partners. The same checkout gives the same bytes.
set(debian ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set(debian_build ${CMAKE_CURRENT_BINARY_DIR}/debian)

# The day of a package is that of its last change, as the changelog says it.
file(STRINGS ${debian}/changelog changelog_dates REGEX "^ -- .*>  ")
list(GET changelog_dates 0 changelog_date)
string(REGEX REPLACE "^.*>  " "" changelog_date "${changelog_date}")
execute_process(COMMAND date -u -d ${changelog_date} +%s
	OUTPUT_VARIABLE source_date_epoch OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

# The release is the changelog's too.
file(STRINGS ${debian}/changelog changelog_head LIMIT_COUNT 1)
if(NOT changelog_head MATCHES "^intaked \\(${PROJECT_VERSION}-([0-9]+)\\) ")
	message(FATAL_ERROR "${debian}/changelog does not begin with version ${PROJECT_VERSION}")
endif()
set(CPACK_DEBIAN_PACKAGE_RELEASE ${CMAKE_MATCH_1})

find_program(GZIP gzip REQUIRED)
set(zipped ${debian_build}/changelog.Debian.gz)
add_custom_command(OUTPUT ${zipped} VERBATIM DEPENDS ${debian}/changelog
	COMMAND ${CMAKE_COMMAND} -E make_directory ${debian_build}
	COMMAND sh -c "exec \"$1\" -9nc \"$2\" >\"$3\"" sh ${GZIP} ${debian}/changelog ${zipped})
add_custom_target(changelog ALL DEPENDS ${zipped})
foreach(component intaked intake-send)
	install(FILES ${zipped} ${debian}/copyright
		DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${component} COMPONENT ${component})
	install(FILES ${debian}/lintian-overrides RENAME ${component}
		DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides COMPONENT ${component})
endforeach()

# What each is made of, beside it in /usr/share/doc. Without jq none is made, and no package.
find_program(JQ jq)
function(bill_of_materials component vendor)
	set(bill ${debian_build}/${component}.spdx.json)
	set(programs)
	foreach(program ${ARGN})
		list(APPEND programs $<TARGET_FILE:${program}>)
	endforeach()
	add_custom_command(OUTPUT ${bill} VERBATIM DEPENDS ${debian}/sbom.sh ${ARGN}
		COMMAND ${CMAKE_COMMAND} -E make_directory ${debian_build}
		COMMAND sh -c "out=$1 && shift && exec sh \"$@\" >\"$out\"" sh ${bill} ${debian}/sbom.sh
			${component} ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE} ${source_date_epoch}
			${vendor} ${programs})
	if(JQ)
		add_custom_target(bill-of-${component} ALL DEPENDS ${bill})
	endif()
	install(FILES ${bill} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${component} COMPONENT ${component}
		RENAME sbom.spdx.json EXCLUDE_FROM_ALL)
endfunction()
bill_of_materials(intaked ${CMAKE_SOURCE_DIR}/daemon/server/page/vendor intaked intakectl)
bill_of_materials(intake-send - intake-send)

set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL intaked intake-send)
set(CPACK_PACKAGE_NAME intaked)
set(CPACK_PACKAGE_CONTACT "intaked maintainers <maintainers@intaked.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
	GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)

# libevent before this version reads beyond what it was given: a security update of Debian 12.
set(libevent)
file(STRINGS /etc/os-release codename REGEX "^VERSION_CODENAME=bookworm$")
if(codename)
	set(libevent ", libevent-core-2.1-7 (>= 2.1.12-stable-8+deb12u1)")
endif()

set(CPACK_DEBIAN_INTAKED_PACKAGE_NAME intaked)
set(CPACK_DEBIAN_INTAKED_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_INTAKED_PACKAGE_SECTION net)
set(CPACK_DEBIAN_INTAKED_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_INTAKED_PACKAGE_DEPENDS
	"systemd | systemd-standalone-sysusers | systemd-sysusers${libevent}")
set(CPACK_DEBIAN_INTAKED_PACKAGE_RECOMMENDS "intake-send, openssl")
set(CPACK_DEBIAN_INTAKED_PACKAGE_SUGGESTS "postgresql (>= 15)")
set(CPACK_COMPONENT_INTAKED_DESCRIPTION
	"takes cybercrime incident reports over mutual TLS
Partner CERTs send reports as JSON. Each is judged against a taxonomy,
stored durably in PostgreSQL, and only then answered with a receipt.
.
With intakectl for operators. The service starts once there are
certificates in /etc/intaked.")
set(CPACK_DEBIAN_INTAKED_PACKAGE_CONTROL_EXTRA ${debian}/conffiles ${debian}/postinst
	${debian}/prerm ${debian}/postrm)

set(CPACK_DEBIAN_INTAKE-SEND_PACKAGE_NAME intake-send)
set(CPACK_DEBIAN_INTAKE-SEND_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_INTAKE-SEND_PACKAGE_SECTION net)
set(CPACK_DEBIAN_INTAKE-SEND_PACKAGE_PRIORITY optional)
set(CPACK_COMPONENT_INTAKE-SEND_DESCRIPTION
	"sends cybercrime incident reports to an intaked server
For partner CERTs: sends files, folders or standard input in batches,
tries again as the server asks, and goes on after an interruption.
.
With the manual of the protocol and of every field of a report.")

set(CPACK_PROJECT_CONFIG_FILE ${debian_build}/cpack.cmake)
file(WRITE ${CPACK_PROJECT_CONFIG_FILE} "set(ENV{SOURCE_DATE_EPOCH} ${source_date_epoch})\n")
include(CPack)
