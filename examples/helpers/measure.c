/*
 * The helper of worker-pool.ts: measures one upload, in a process of its own that can do nothing else.
 *
 * Standard input is the upload. Descriptor 3 is the table of names it looks up its own in (read), descriptor 4 the log
 * (write). It is started by fexecve(2) in capability mode, so it is linked statically: cc -static -o measure measure.c
 */

#include <fcntl.h>
#include <unistd.h>

static char buffer[65536];
static char line[160];
static int length;

static void put(const char *text) {
  while (*text != '\0' && length < (int)sizeof(line)) line[length++] = *text++;
}

static void put_number(unsigned long number) {
  char digits[24];
  int count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  while (count > 0 && length < (int)sizeof(line)) line[length++] = digits[--count];
}

int main(void) {
  /* The unit comes from the table, to show that it can be read: its first line. */
  char unit[32];
  long size = pread(3, unit, sizeof(unit) - 1, 0);
  if (size <= 0) return 3;
  for (long i = 0; i < size; i++) {
    if (unit[i] == '\n') size = i;
  }
  unit[size] = '\0';

  unsigned long bytes = 0;
  unsigned long lines = 0;
  while ((size = read(0, buffer, sizeof(buffer))) > 0) {
    bytes += (unsigned long)size;
    for (long i = 0; i < size; i++) lines += buffer[i] == '\n';
  }
  if (size < 0) return 4;

  put_number(bytes);
  put(" ");
  put(unit);
  put(", ");
  put_number(lines);
  put(" lines; ");
  /* What malice in an upload would try. */
  put(open("/etc/passwd", O_RDONLY) < 0 ? "no files" : "FILES");
  put(write(3, "x", 1) < 0 ? ", no writing to the table" : ", WRITES TO THE TABLE");
  put(read(4, buffer, 1) < 0 ? ", no reading of the log\n" : ", READS THE LOG\n");
  if (write(4, line, (unsigned long)length) != length) return 5;
  return write(1, line, (unsigned long)length) == length ? 0 : 6;
}
