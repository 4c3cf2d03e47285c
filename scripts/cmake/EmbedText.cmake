# cmake -DINPUT=file -DOUTPUT=header -DNAME=kName -DNAMESPACE=a::b -P EmbedText.cmake
# Writes the file as a string constant of a header.
file(READ ${INPUT} content)
file(WRITE ${OUTPUT} "// Made from a file by EmbedText.cmake; changes are lost.\n#pragma once\n\n#include <string_view>\n\n")
file(APPEND ${OUTPUT} "namespace ${NAMESPACE} {\ninline constexpr std::string_view ${NAME} = R\"embedded(${content})embedded\";\n}\n")
