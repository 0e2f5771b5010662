#include "descriptor_records.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace {

Descriptor FromKernelRecord(const kinfo_file& record, size_t size) {
  Descriptor descriptor;
  descriptor.fd = record.kf_fd;
  descriptor.type = record.kf_type;
  descriptor.flags = record.kf_flags;
  switch (record.kf_type) {
    case KF_TYPE_VNODE:
    case KF_TYPE_FIFO:
    case KF_TYPE_PTS:
    case KF_TYPE_DEV:
      descriptor.vnode_type = record.kf_vnode_type;
      break;
    case KF_TYPE_SOCKET:
      descriptor.domain = record.kf_sock_domain;
      descriptor.socket_type = record.kf_sock_type;
      descriptor.protocol = record.kf_sock_protocol;
      descriptor.local = AddressText(record.kf_un.kf_sock.kf_sa_local);
      descriptor.peer = AddressText(record.kf_un.kf_sock.kf_sa_peer);
      break;
    case KF_TYPE_PIPE:
      descriptor.pipe = record.kf_un.kf_pipe.kf_pipe_addr;
      descriptor.pipe_peer = record.kf_un.kf_pipe.kf_pipe_peer;
      break;
    case KF_TYPE_PROCDESC:
      descriptor.pid = record.kf_un.kf_proc.kf_pid;
      break;
    case KF_TYPE_JAILDESC:
      // kf_jail.kf_jid, a member that the headers of 14.x lack.
      memcpy(&descriptor.jid, &record.kf_un, sizeof(descriptor.jid));
      break;
    default:
      break;
  }
  // For a socket it is the name of its domain.
  constexpr size_t kPathOffset = offsetof(kinfo_file, kf_path);
  if (record.kf_type != KF_TYPE_SOCKET && size > kPathOffset) {
    descriptor.path.assign(record.kf_path, strnlen(record.kf_path, size - kPathOffset));
  }
  return descriptor;
}

}  // namespace

std::string AddressText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN];
  switch (address.ss_family) {
    case AF_INET: {
      sockaddr_in in;
      memcpy(&in, &address, sizeof(in));
      if (in.sin_port == 0 && in.sin_addr.s_addr == 0) return {};
      if (inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text)) == nullptr) return {};
      return std::string(text) + ":" + std::to_string(ntohs(in.sin_port));
    }
    case AF_INET6: {
      sockaddr_in6 in6;
      memcpy(&in6, &address, sizeof(in6));
      if (in6.sin6_port == 0 && IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) return {};
      if (inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text)) == nullptr) return {};
      return "[" + std::string(text) + "]:" + std::to_string(ntohs(in6.sin6_port));
    }
    case AF_UNIX: {
      sockaddr_un un;
      memcpy(&un, &address, sizeof(un));
      return {un.sun_path, strnlen(un.sun_path, sizeof(un.sun_path))};
    }
    default:
      return {};
  }
}

bool ParseKernelTable(const std::vector<char>& table, std::vector<Descriptor>* descriptors,
                      Records records) {
  size_t offset = 0;
  while (offset < table.size()) {
    int size = 0;
    const size_t left = table.size() - offset;
    if (left >= sizeof(size)) memcpy(&size, table.data() + offset, sizeof(size));
    if (size < static_cast<int>(offsetof(kinfo_file, kf_path)) ||
        static_cast<size_t>(size) > left) {
      errno = EPROTO;
      return false;
    }
    // Records are cut to their length: the copy gives each its whole struct.
    kinfo_file record = {};
    const size_t known = std::min(static_cast<size_t>(size), sizeof(record));
    memcpy(&record, table.data() + offset, known);
    if (record.kf_fd >= 0 || records == Records::kAll)
      descriptors->push_back(FromKernelRecord(record, known));
    offset += static_cast<size_t>(size);
  }
  return true;
}
