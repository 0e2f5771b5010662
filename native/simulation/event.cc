// kqueue(2) in user space. A queue is an epoll of the host, so that the ends of
// processes arrive by themselves; all else arrives through PostEvent, which
// wakes it by an eventfd.

#include <sys/event.h>

#include <sys/capsicum.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "descriptor_table.h"
#include "events.h"
#include "jail_tree.h"
#include "processes.h"

namespace {

struct Note {
  unsigned int wanted = 0;
  void* udata = nullptr;
  bool active = false;
  bool last = false;
  unsigned int fflags = 0;
  int64_t data = 0;
};

struct Queue {
  int wake = -1;
  std::map<std::pair<short, uintptr_t>, Note> notes;
};

// As with the descriptor table: a kernel is one for the whole process. It is
// taken again where a look at the jails, on the way to watch one, finds that
// another has ended meanwhile.
std::recursive_mutex events_mutex;

std::unordered_map<int, std::shared_ptr<Queue>>& Queues() {
  static auto& queues = *new std::unordered_map<int, std::shared_ptr<Queue>>();
  return queues;
}

std::map<short, int (*)(uintptr_t)>& Offers() {
  static auto& offers = *new std::map<short, int (*)(uintptr_t)>();
  return offers;
}

// In epoll's data, where the others are numbers of descriptors.
constexpr uint64_t kWake = UINT64_MAX;

int Fail(int error) {
  errno = error;
  return -1;
}

bool IsOfJails(short filter) { return filter == EVFILT_JAIL || filter == EVFILT_JAILDESC; }

void Wake(const Queue& queue) {
  const uint64_t one = 1;
  // Fails only when it is awake as can be.
  [[maybe_unused]] const ssize_t written = write(queue.wake, &one, sizeof(one));
}

// Nothing tells of the close of a queue, and its eventfd would stay open: the
// number is looked at now and then. Another epoll does not know the eventfd.
void ForgetClosed() {
  std::erase_if(Queues(), [](const auto& entry) {
    const auto& [fd, queue] = entry;
    struct epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = kWake;
    if (epoll_ctl(fd, EPOLL_CTL_MOD, queue->wake, &event) == 0) return false;
    close(queue->wake);
    return true;
  });
}

void Activate(Note& note, short filter, unsigned int fflags, int64_t data, bool last) {
  const unsigned int seen = fflags & note.wanted;
  // Who did not ask for the end of a process is not told; of a jail's always.
  if (seen == 0 && (!last || filter == EVFILT_PROCDESC)) return;
  // Of jails, an attachment and a child name somebody; a second one takes the
  // name away.
  if (!IsOfJails(filter)) {
    note.data = data;
  } else if ((seen & (NOTE_JAIL_ATTACH | NOTE_JAIL_CHILD)) != 0) {
    if (note.data != 0) note.fflags |= NOTE_JAIL_MULTI;
    note.data = (note.fflags & NOTE_JAIL_MULTI) != 0 ? 0 : data;
  }
  note.fflags |= seen;
  note.active = true;
  note.last = note.last || last;
}

// Whether there is such a thing to watch: 0 or an errno value.
int CheckIdent(short filter, uintptr_t ident) {
  if (filter == EVFILT_USER) return 0;
  if (IsOfJails(filter) && simulation::Osreldate() < 1500000) return EINVAL;
  const int fd = static_cast<int>(ident);
  if (filter != EVFILT_JAIL) {
    const int refused = simulation::CheckRight(fd, CAP_EVENT);
    if (refused != 0) return refused;
  }
  if (filter == EVFILT_PROCDESC) return simulation::ProcessOf(fd) ? 0 : EINVAL;
  const auto offer = Offers().find(filter);
  return offer == Offers().end() ? EINVAL : offer->second(ident);
}

int Add(int queue_fd, Queue& queue, const struct kevent& change) {
  const int refused = CheckIdent(change.filter, change.ident);
  if (refused != 0) return refused;
  Note& note = queue.notes[{change.filter, change.ident}];
  note.wanted = change.fflags;
  note.udata = change.udata;
  const int fd = static_cast<int>(change.ident);
  if (change.filter == EVFILT_JAILDESC && simulation::JidOfDescriptor(fd) == 0) {
    // Told also to whoever comes too late.
    Activate(note, EVFILT_JAILDESC, NOTE_JAIL_REMOVE, 0, true);
    Wake(queue);
  }
  if (change.filter != EVFILT_PROCDESC) return 0;
  const std::optional<int> status = simulation::ExitStatusOf(fd);
  if (status) {
    Activate(note, EVFILT_PROCDESC, NOTE_EXIT, *status, true);
    Wake(queue);
    return 0;
  }
  // The host tells only a parent how its child has ended.
  if (!simulation::IsOwnChild(fd)) {
    queue.notes.erase({change.filter, change.ident});
    return ENOSYS;
  }
  struct epoll_event event = {};
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.u64 = change.ident;
  if (epoll_ctl(queue_fd, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
  if (errno == EEXIST && epoll_ctl(queue_fd, EPOLL_CTL_MOD, fd, &event) == 0) return 0;
  queue.notes.erase({change.filter, change.ident});
  return EINVAL;
}

int Change(int queue_fd, Queue& queue, const struct kevent& change) {
  if ((change.flags & EV_ADD) != 0) return Add(queue_fd, queue, change);
  const auto found = queue.notes.find({change.filter, change.ident});
  if (found == queue.notes.end()) return ENOENT;
  if ((change.flags & EV_DELETE) != 0) {
    if (change.filter == EVFILT_PROCDESC) {
      epoll_ctl(queue_fd, EPOLL_CTL_DEL, static_cast<int>(change.ident), nullptr);
    }
    queue.notes.erase(found);
  } else if (change.filter == EVFILT_USER && (change.fflags & NOTE_TRIGGER) != 0) {
    found->second.active = true;
    Wake(queue);
  }
  return 0;
}

// Takes the events that are there.
int Take(Queue& queue, struct kevent* events, int event_count) {
  int count = 0;
  for (auto next = queue.notes.begin(); next != queue.notes.end() && count < event_count;) {
    const auto current = next++;
    Note& note = current->second;
    if (!note.active) continue;
    struct kevent& event = events[count++];
    event = {};
    event.filter = current->first.first;
    event.ident = current->first.second;
    event.flags = static_cast<unsigned short>(EV_CLEAR | (note.last ? EV_EOF | EV_ONESHOT : 0));
    event.fflags = note.fflags;
    event.data = note.data;
    event.udata = note.udata;
    note.active = false;
    note.fflags = 0;
    note.data = 0;
    if (note.last) queue.notes.erase(current);
  }
  return count;
}

void Arrived(Queue& queue, uint64_t source) {
  if (source == kWake) {
    uint64_t count;
    [[maybe_unused]] const ssize_t got = read(queue.wake, &count, sizeof(count));
    return;
  }
  const auto found = queue.notes.find({EVFILT_PROCDESC, source});
  if (found == queue.notes.end()) return;
  const std::optional<int> status = simulation::ExitStatusOf(static_cast<int>(source));
  if (status) Activate(found->second, EVFILT_PROCDESC, NOTE_EXIT, *status, true);
}

}  // namespace

void simulation::OfferEvents(short filter, int (*check)(uintptr_t ident)) {
  const std::lock_guard lock(events_mutex);
  Offers()[filter] = check;
}

void simulation::PostEvent(short filter, uintptr_t ident, unsigned int fflags, int64_t data,
                           bool last) {
  const std::lock_guard lock(events_mutex);
  ForgetClosed();
  for (auto& [fd, queue] : Queues()) {
    const auto found = queue->notes.find({filter, ident});
    if (found == queue->notes.end()) continue;
    Activate(found->second, filter, fflags, data, last);
    Wake(*queue);
  }
}

void simulation::ForgetClosedQueues() {
  const std::lock_guard lock(events_mutex);
  ForgetClosed();
}

int kqueue() {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return -1;
  auto queue = std::make_shared<Queue>();
  queue->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = kWake;
  if (queue->wake < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, queue->wake, &event) != 0) {
    const int error = errno;
    if (queue->wake >= 0) close(queue->wake);
    close(fd);
    return Fail(error);
  }
  const std::lock_guard lock(events_mutex);
  ForgetClosed();
  Queues()[fd] = queue;
  return fd;
}

int kevent(int queue_fd, const struct kevent* changes, int change_count, struct kevent* events,
           int event_count, const struct timespec* timeout) {
  std::shared_ptr<Queue> queue;
  {
    const std::lock_guard lock(events_mutex);
    const auto found = Queues().find(queue_fd);
    if (found == Queues().end()) return Fail(EBADF);
    queue = found->second;
  }
  uint64_t needed = change_count > 0 ? CAP_KQUEUE_CHANGE : 0;
  if (event_count > 0) needed |= CAP_KQUEUE_EVENT;
  if (needed != 0) {
    const int refused = simulation::CheckRight(queue_fd, needed);
    if (refused != 0) return Fail(refused);
  }

  int receipts = 0;
  for (int i = 0; i < change_count; i++) {
    const std::lock_guard lock(events_mutex);
    const int error = Change(queue_fd, *queue, changes[i]);
    if (error == 0 && (changes[i].flags & EV_RECEIPT) == 0) continue;
    if (receipts == event_count) return error == 0 ? 0 : Fail(error);
    events[receipts] = changes[i];
    events[receipts].flags |= EV_ERROR;
    events[receipts++].data = error;
  }
  if (receipts > 0 || event_count == 0) return receipts;

  for (;;) {
    {
      const std::lock_guard lock(events_mutex);
      const int count = Take(*queue, events, event_count);
      if (count > 0) return count;
    }
    const int milliseconds =
        timeout == nullptr ? -1
                           : static_cast<int>(timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000);
    struct epoll_event arrived;
    const int count = epoll_wait(queue_fd, &arrived, 1, milliseconds);
    if (count <= 0) return count;
    const std::lock_guard lock(events_mutex);
    Arrived(*queue, arrived.data.u64);
  }
}
