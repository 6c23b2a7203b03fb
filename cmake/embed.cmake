# Writes the bytes of INPUT as `const unsigned char NAME[]` and `const unsigned long NAME_bytes`.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT}
"extern const unsigned char ${NAME}[];
extern const unsigned long ${NAME}_bytes;
const unsigned char ${NAME}[] = {${bytes}};
const unsigned long ${NAME}_bytes = sizeof ${NAME};
")
