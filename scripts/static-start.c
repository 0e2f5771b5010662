/*
 * The start of a C program, and the few calls of the helpers in examples/, for a static executable where the cross
 * compiler has no static C library: FreeBSD on amd64 and arm64. On a FreeBSD machine, cc -static has them all.
 */

#include <stddef.h>
#include <sys/types.h>

enum { SYS_exit = 1, SYS_read = 3, SYS_write = 4, SYS_open = 5, SYS_pread = 475 };

int main(void);

/* What the system call returns, or the negative errno. */
long call(long number, long a, long b, long c, long d);

#if defined(__x86_64__)
long call(long number, long a, long b, long c, long d) {
  register long fourth __asm__("r10") = d;
  unsigned char failed;
  long result;
  __asm__ volatile("syscall\n\tsetc %1"
                   : "=a"(result), "=&q"(failed), "+d"(c), "+r"(fourth)
                   : "a"(number), "D"(a), "S"(b)
                   : "rcx", "r8", "r9", "r11", "memory", "cc");
  return failed ? -result : result;
}
__asm__(".globl _start\n_start:\n\txorl %ebp, %ebp\n\tandq $-16, %rsp\n\tcall start_main\n");
#elif defined(__aarch64__)
long call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  long failed;
  __asm__ volatile("svc #0\n\tcset %1, cs"
                   : "+r"(x0), "=r"(failed), "+r"(x1)
                   : "r"(x8), "r"(x2), "r"(x3)
                   : "memory", "cc");
  return failed ? -x0 : x0;
}
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tbl start_main\n");
#endif

__attribute__((used, noreturn)) void start_main(void) {
  call(SYS_exit, main(), 0, 0, 0);
  for (;;) {
  }
}

ssize_t read(int fd, void *data, size_t size) { return call(SYS_read, fd, (long)data, (long)size, 0); }

ssize_t write(int fd, const void *data, size_t size) { return call(SYS_write, fd, (long)data, (long)size, 0); }

ssize_t pread(int fd, void *data, size_t size, off_t offset) {
  return call(SYS_pread, fd, (long)data, (long)size, offset);
}

int open(const char *path, int flags, ...) { return (int)call(SYS_open, (long)path, flags, 0, 0); }
