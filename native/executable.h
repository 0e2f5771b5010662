// What a program's file needs to start.

#ifndef NATIVE_EXECUTABLE_H_
#define NATIVE_EXECUTABLE_H_

enum class Executable {
  // All that it needs is in it; or it is of no known kind, which exec will say.
  kStatic,
  // The run-time linker, by path.
  kDynamic,
  // An interpreter, by path.
  kScript,
  // The descriptor does not let it be looked at or read, or is not one of a file.
  kUnknown,
};

// Looks into an open file. (child) As in child_calls.h: no allocation, no locks.
Executable KindOfExecutable(int fd);

#endif  // NATIVE_EXECUTABLE_H_
