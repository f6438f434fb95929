# SPDX-License-Identifier: Apache-2.0
# cmake -D SOURCE=FOLDER -D OUTPUT=FILE.c -P embed_sql.cmake
# Writes the numbered migrations of a folder into a C file, so that the program needs no path to
# find them.
file(GLOB files ${SOURCE}/[0-9]*.sql)
list(SORT files)
set(arrays "")
set(rows "")
foreach(path ${files})
	get_filename_component(name ${path} NAME_WE)
	string(REGEX MATCH "^[0-9]+" digits ${name})
	string(REGEX REPLACE "^0+" "" version ${digits})
	file(READ ${path} bytes HEX)
	file(SHA256 ${path} digest)
	string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
	string(APPEND arrays "static const unsigned char sql_${version}[] = {${bytes}0};\n")
	string(APPEND rows "\t{${version}, \"${name}\", (const char *)sql_${version}, \"${digest}\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"intakectl_int.h\"\n\n${arrays}\n"
	"const struct migration migrations[] = {\n${rows}};\n"
	"const size_t migration_count = sizeof(migrations) / sizeof(migrations[0]);\n")
