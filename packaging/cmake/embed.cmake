# cmake -DINPUT=file -DSYMBOL=name -DHEADER=header -DOUTPUT=file.c -P embed.cmake: the file's bytes as `name` and `name_size`.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE ${OUTPUT} "/* Generated from ${INPUT}. */\n#include \"${HEADER}\"\n\n"
    "const unsigned char ${SYMBOL}[] = {\n${hex}\n};\nconst size_t ${SYMBOL}_size = sizeof(${SYMBOL});\n")
