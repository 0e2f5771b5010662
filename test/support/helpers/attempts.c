// Tries what it is told to by lines on its standard input, and answers each with a
// line: the errno, 0 for success. For a process in capability mode, where no shell
// can be started: static, and without a C library (see scripts/static-start.c).
//
// A line is a letter for what is tried, a space, and a number or a path. After
// "z 0" it stays until it is killed.

#include <stddef.h>
#include <sys/types.h>

enum {
  SYS_read = 3,
  SYS_write = 4,
  SYS_open = 5,
  SYS_getpid = 20,
  SYS_ptrace = 26,
  SYS_kill = 37,
  SYS_fcntl = 92,
  SYS_setpriority = 96,
  SYS_nanosleep = 240,
  SYS_jail_attach = 436,
  SYS_openat = 499,
  SYS_jail_set = 507,
};
enum { PT_TRACE_ME = 0, NUMBER_OF_SIGSTOP = 17, O_RDWR = 2, O_EMPTY_PATH = 0x02000000 };
enum { EPERM = 1, F_SETOWN = 6, PT_ATTACH = 10, JAIL_CREATE = 1, JAIL_UPDATE = 2, NUMBER_OF_SIGURG = 16, NUMBER_OF_SIGCONT = 19 };

long call(long number, long a, long b, long c, long d);

struct part {
  const void* base;
  size_t size;
};

static long set_jail(int jid, const char* name, size_t size, int value) {
  const struct part parts[] = {{"jid", 4}, {&jid, sizeof(jid)}, {name, size}, {&value, value == 0 ? 0 : sizeof(value)}};
  return call(SYS_jail_set, (long)parts, 4, JAIL_UPDATE, 0);
}

static long create_jail(void) {
  const struct part parts[] = {{"path", 5}, {"/", 2}, {"persist", 8}, {NULL, 0}};
  return call(SYS_jail_set, (long)parts, 4, JAIL_CREATE, 0);
}

/* For one that exists it is EPERM, for any other ESRCH. */
static long ask_for(int pid) {
  const long result = call(SYS_fcntl, 0, F_SETOWN, pid, 0);
  return result == -EPERM ? 0 : result;
}

/* Standard error, whatever it was opened for, for reading and writing. */
static long reopen(void) { return call(SYS_openat, 2, (long)"", O_RDWR | O_EMPTY_PATH, 0); }

static long attempt(char what, const char* argument) {
  int number = 0;
  for (const char* digit = argument; *digit >= '0' && *digit <= '9'; digit++) number = 10 * number + (*digit - '0');
  switch (what) {
    case 'u':
      return set_jail(number, "securelevel", 12, -1);
    case 'c':
      return create_jail();
    case 'w':
      return set_jail(number, "allow.raw_sockets", 18, 0);
    case 'a':
      return call(SYS_jail_attach, number, 0, 0, 0);
    case 'e':
      return ask_for(number);
    case 'g':
      return call(SYS_kill, number, NUMBER_OF_SIGURG, 0, 0);
    case 't':
      return call(SYS_kill, number, NUMBER_OF_SIGCONT, 0, 0);
    case 'd':
      return call(SYS_ptrace, PT_ATTACH, number, 0, 0);
    case 'r':
      return call(SYS_setpriority, 0, number, 1, 0);
    case 'm':
      return call(SYS_ptrace, PT_TRACE_ME, 0, 0, 0);
    case 's':
      return call(SYS_kill, (int)call(SYS_getpid, 0, 0, 0, 0), NUMBER_OF_SIGSTOP, 0, 0);
    case 'o':
      return reopen();
    case 'f':
      return call(SYS_open, (long)argument, 0, 0, 0);
    case 'z':
      return 0;
    default:
      return -255;
  }
}

static char line[1100];

int main(void) {
  size_t length = 0;
  while (length < sizeof(line) && call(SYS_read, 0, (long)&line[length], 1, 0) == 1) {
    if (line[length] != '\n') {
      length++;
      continue;
    }
    line[length] = '\0';
    length = 0;
    const long result = attempt(line[0], &line[2]);
    const long error = result < 0 ? -result : 0;
    const char answer[] = {(char)('0' + error / 100), (char)('0' + error / 10 % 10), (char)('0' + error % 10), '\n'};
    call(SYS_write, 1, (long)answer, sizeof(answer), 0);
    const long forever[] = {1000000, 0};
    while (line[0] == 'z') call(SYS_nanosleep, (long)forever, 0, 0, 0);
  }
  return 0;
}
