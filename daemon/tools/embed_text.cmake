# SPDX-License-Identifier: Apache-2.0
# cmake -D SOURCE=FILE -D NAME=IDENTIFIER -D HEADER=FILE.h -D OUTPUT=FILE.c -P embed_text.cmake
# Writes a file's text into a C file as a constant that the header declares.
file(READ ${SOURCE} bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"${HEADER}\"\n\nconst char ${NAME}[] = {${bytes}0};\n")
