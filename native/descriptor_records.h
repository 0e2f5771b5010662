// The records of kern.proc.filedesc, read without a system call.

#ifndef NATIVE_DESCRIPTOR_RECORDS_H_
#define NATIVE_DESCRIPTOR_RECORDS_H_

#include <sys/socket.h>
#include <sys/types.h>
// Keep this order: sys/user.h needs the types above.
#include <sys/user.h>

#include <cstdint>
#include <string>
#include <vector>

// One open descriptor, as far as its record tells.
struct Descriptor {
  int fd = -1;
  int type = KF_TYPE_UNKNOWN;
  int vnode_type = KF_VTYPE_UNKNOWN;
  int flags = -1;
  bool close_on_exec = false;
  bool tty = false;
  int domain = 0;
  int socket_type = 0;
  int protocol = 0;
  bool listening = false;
  std::string local;
  std::string peer;
  std::string path;
  int pid = 0;
  int jid = 0;
  uint64_t pipe = 0;
  uint64_t pipe_peer = 0;
};

// "address:port", "[address]:port" or the path of a UNIX socket; empty for an
// unnamed socket and for families without a common notation.
std::string AddressText(const sockaddr_storage& address);

enum class Records {
  kNumbered,
  // Also those without a number: what a process works in, and executes.
  kAll,
};

// False with errno for a record that does not fit: half a list is none.
bool ParseKernelTable(const std::vector<char>& table, std::vector<Descriptor>* descriptors,
                      Records records = Records::kNumbered);

#endif  // NATIVE_DESCRIPTOR_RECORDS_H_
