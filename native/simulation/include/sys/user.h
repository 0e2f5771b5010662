// FreeBSD's <sys/user.h>, as far as kern.proc.filedesc and kern.proc.proc need it. Records are
// laid out for the simulated kernel alone, under the kernel's names.

#ifndef SIMULATION_SYS_USER_H_
#define SIMULATION_SYS_USER_H_

#include <limits.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>

#define KF_TYPE_VNODE 1
#define KF_TYPE_SOCKET 2
#define KF_TYPE_PIPE 3
#define KF_TYPE_FIFO 4
#define KF_TYPE_KQUEUE 5
#define KF_TYPE_SHM 8
#define KF_TYPE_PTS 10
#define KF_TYPE_PROCDESC 11
#define KF_TYPE_DEV 12
#define KF_TYPE_EVENTFD 13
#define KF_TYPE_TIMERFD 14
#define KF_TYPE_INOTIFY 15
#define KF_TYPE_JAILDESC 16
#define KF_TYPE_UNKNOWN 255

#define KF_VTYPE_VREG 1
#define KF_VTYPE_VDIR 2
#define KF_VTYPE_VBLK 3
#define KF_VTYPE_VCHR 4
#define KF_VTYPE_VFIFO 7
#define KF_VTYPE_UNKNOWN 255

#define KF_FLAG_READ 0x00000001
#define KF_FLAG_WRITE 0x00000002
#define KF_FLAG_APPEND 0x00000004
#define KF_FLAG_NONBLOCK 0x00000020

struct kinfo_file {
  int kf_structsize;
  int kf_type;
  int kf_fd;
  int kf_flags;
  int kf_vnode_type;
  int kf_sock_domain;
  int kf_sock_type;
  int kf_sock_protocol;
  union {
    struct {
      sockaddr_storage kf_sa_local;
      sockaddr_storage kf_sa_peer;
    } kf_sock;
    struct {
      uint64_t kf_pipe_addr;
      uint64_t kf_pipe_peer;
    } kf_pipe;
    struct {
      pid_t kf_pid;
    } kf_proc;
    struct {
      int32_t kf_jid;
    } kf_jail;
  } kf_un;
  char kf_path[PATH_MAX];
};

struct kinfo_proc {
  int ki_structsize;
  pid_t ki_pid;
  pid_t ki_ppid;
  pid_t ki_sid;
  char ki_stat;
  int ki_jid;
  int ki_tracer;
  int ki_traceflag;
};

#endif  // SIMULATION_SYS_USER_H_
