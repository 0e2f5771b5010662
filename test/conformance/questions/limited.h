// Limited descriptors to ask about.

#ifndef TEST_CONFORMANCE_QUESTIONS_LIMITED_H_
#define TEST_CONFORMANCE_QUESTIONS_LIMITED_H_

#include <netinet/in.h>

#include <cstdint>
#include <vector>

namespace questions {

// Limits a descriptor to some rights; with `lists` also to two ioctls (FIONBIO
// and FIONREAD) and one fcntl (F_GETFL).
void Limit(int fd, const std::vector<uint64_t>& rights, bool lists);

// A socket that listens on a free port of 127.0.0.1.
struct Listener {
  Listener();
  // What connected to it.
  int Connect() const;

  int fd;
  in_port_t port;
};

}  // namespace questions

#endif  // TEST_CONFORMANCE_QUESTIONS_LIMITED_H_
