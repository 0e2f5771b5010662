#include "jail_parameters.h"

#include <sys/sysctl.h>

#include "descriptor_table.h"

namespace simulation {

namespace {

constexpr JailParameter Int(const char* name, uint32_t access) {
  return {name, CTLTYPE_INT | access, "I", 0};
}
constexpr JailParameter Bool(const char* name, uint32_t access = CTLFLAG_RW) {
  return {name, CTLTYPE_INT | access, "B", 0};
}
constexpr JailParameter Sys(const char* name, uint32_t access) {
  return {name, CTLTYPE_INT | access, "E,jailsys", 0};
}
constexpr JailParameter String(const char* name, uint32_t access, size_t size) {
  return {name, CTLTYPE_STRING | access, "A", size};
}

constexpr JailParameter kParameters[] = {
    Int("jid", CTLFLAG_RDTUN),
    Int("parent", CTLFLAG_RD),
    String("name", CTLFLAG_RW, 256),
    String("path", CTLFLAG_RDTUN, 1024),
    Int("securelevel", CTLFLAG_RW),
    Int("osreldate", CTLFLAG_RDTUN),
    String("osrelease", CTLFLAG_RDTUN, 32),
    Int("enforce_statfs", CTLFLAG_RW),
    Int("devfs_ruleset", CTLFLAG_RW),
    Bool("persist"),
    Sys("vnet", CTLFLAG_RDTUN),
    Bool("dying", CTLFLAG_RD),
    Int("children.cur", CTLFLAG_RD),
    Int("children.max", CTLFLAG_RW),
    Sys("host.", CTLFLAG_RW),
    String("host.hostname", CTLFLAG_RW, 256),
    String("host.domainname", CTLFLAG_RW, 256),
    String("host.hostuuid", CTLFLAG_RW, 64),
    {"host.hostid", CTLTYPE_ULONG | CTLFLAG_RW, "LU", 0},
    Int("cpuset.id", CTLFLAG_RD),
    Sys("ip4.", CTLFLAG_RDTUN),
    {"ip4.addr", CTLTYPE_STRUCT | CTLFLAG_RW, "S,in_addr,a", 0},
    Bool("ip4.saddrsel"),
    Sys("ip6.", CTLFLAG_RDTUN),
    {"ip6.addr", CTLTYPE_STRUCT | CTLFLAG_RW, "S,in6_addr,a", 0},
    Bool("ip6.saddrsel"),
    Bool("allow.set_hostname"),
    Bool("allow.sysvipc"),
    Bool("allow.raw_sockets"),
    Bool("allow.chflags"),
    Bool("allow.quotas"),
    Bool("allow.socket_af"),
    Bool("allow.mlock"),
    Bool("allow.reserved_ports"),
    Bool("allow.read_msgbuf"),
    Bool("allow.unprivileged_proc_debug"),
    Bool("allow.unprivileged_parent_tampering"),
    Bool("allow.suser"),
    Bool("allow.nfsd"),
    Bool("allow.extattr"),
    Bool("allow.adjtime"),
    Bool("allow.settime"),
    Bool("allow.routing"),
    Bool("allow.setaudit"),
    Bool("allow.mount."),
    Bool("allow.mount.devfs"),
    Bool("allow.mount.fdescfs"),
    Bool("allow.mount.nullfs"),
    Bool("allow.mount.procfs"),
    Bool("allow.mount.tmpfs"),
    Sys("sysvmsg.", CTLFLAG_RW),
    Sys("sysvsem.", CTLFLAG_RW),
    Sys("sysvshm.", CTLFLAG_RW),
};

constexpr JailParameter kSince15[] = {
    {"meta", CTLTYPE_STRING | CTLFLAG_RW, "A,keyvalue", kMetaLength},
    {"env", CTLTYPE_STRING | CTLFLAG_RW, "A,keyvalue", kMetaLength},
};

}  // namespace

const std::vector<JailParameter>& JailParameters() {
  // Never freed: other threads may read it while the process ends.
  static const auto& parameters = *[] {
    auto* list = new std::vector<JailParameter>(std::begin(kParameters), std::end(kParameters));
    if (Osreldate() >= 1500000) list->insert(list->end(), std::begin(kSince15), std::end(kSince15));
    return list;
  }();
  return parameters;
}

}  // namespace simulation
