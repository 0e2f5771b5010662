# Toolchain: zig as a cross compiler. Expects ZIG (the program) and ZIG_TARGET, for example x86_64-freebsd.14.0: the
# oldest C library that is supported, so that no newer one is asked for.

if(ZIG_TARGET MATCHES "freebsd")
  set(CMAKE_SYSTEM_NAME FreeBSD)
else()
  set(CMAKE_SYSTEM_NAME Linux)
endif()
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "${ZIG_TARGET}")
set(CMAKE_CXX_COMPILER "${ZIG}" c++)
set(CMAKE_CXX_COMPILER_TARGET "${ZIG_TARGET}")
# CMake's own trial projects read this file too, and know only what is named here.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZIG ZIG_TARGET)
