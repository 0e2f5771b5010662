// Where a path may lead from a directory.

#include <fcntl.h>
#include <stdlib.h>
#include <sys/capsicum.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "../../../native/directory_calls.h"
#include "questions.h"

namespace questions {

namespace {

constexpr const char* kPaths[] = {
    "file",
    "./file",
    "directory/inner",
    "directory//inner",
    "directory/../file",
    "directory/./../file",
    "link",
    "inside",
    "inside/../file",
    "up-and-back",
    "file/",
    "link/",
    "directory/",
    "file/..",
    "nothing",
    "nothing/",
    "nothing/..",
    "nothing/../file",
    ".",
    "directory/..",
    "",
    "..",
    "../",
    "directory/../..",
    "inside/../..",
    "../outside",
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "absolute",
    "absolute/x",
    "up",
    "up/outside",
    "loop",
    "dangling",
    "dangling-up",
};

void AddLinks(const Folder& folder) {
  const auto link = [&](const char* target, const char* name) {
    if (symlink(target, folder.at(name).c_str()) != 0) abort();
  };
  link("directory", "inside");
  link("directory/../file", "up-and-back");
  link("/etc", "absolute");
  link("..", "up");
  link("loop", "loop");
  link("nothing", "dangling");
  link("../nothing", "dangling-up");
}

struct Call {
  const char* name;
  std::function<int(int directory, const char* path)> make;
};

int Opened(int fd) {
  if (fd >= 0) directory_calls::Close(fd);
  return fd;
}

enum class State { kUnlimited, kLimited, kCapabilityMode };

Answer AskPath(const Call& call, State state, const char* path) {
  const Folder folder;
  AddLinks(folder);
  const int directory = OpenDirectory(folder);
  if (state == State::kLimited) {
    cap_rights_t rights;
    cap_rights_get(directory, &rights);
    rights.cr_rights[1] &= ~(CAP_TTYHOOK & ~CAPRIGHT(1, 0));
    if (cap_rights_limit(directory, &rights) != 0) abort();
  }
  return InChild([&] {
    if (state == State::kCapabilityMode && cap_enter() != 0) return ErrorName(errno);
    return Outcome(call.make(directory, path));
  });
}

}  // namespace

std::vector<Question> PathQuestions() {
  using namespace directory_calls;
  static const Call kCalls[] = {
      {"openat", [](int fd, const char* path) { return Opened(OpenAt(fd, path, O_RDONLY, 0)); }},
      {"openat O_NOFOLLOW",
       [](int fd, const char* path) { return Opened(OpenAt(fd, path, O_RDONLY | O_NOFOLLOW, 0)); }},
      {"openat O_CREAT",
       [](int fd, const char* path) { return Opened(OpenAt(fd, path, O_WRONLY | O_CREAT, 0644)); }},
      {"openat O_CREAT|O_EXCL",
       [](int fd, const char* path) {
         return Opened(OpenAt(fd, path, O_WRONLY | O_CREAT | O_EXCL, 0644));
       }},
      {"openat O_DIRECTORY",
       [](int fd, const char* path) {
         return Opened(OpenAt(fd, path, O_RDONLY | O_DIRECTORY, 0));
       }},
      {"fstatat",
       [](int fd, const char* path) {
         FileStatus status;
         return StatAt(fd, path, true, &status);
       }},
      {"fstatat AT_SYMLINK_NOFOLLOW",
       [](int fd, const char* path) {
         FileStatus status;
         return StatAt(fd, path, false, &status);
       }},
      {"faccessat", [](int fd, const char* path) { return AccessAt(fd, path, F_OK); }},
      {"mkdirat", [](int fd, const char* path) { return MakeDirectoryAt(fd, path, 0755); }},
      {"unlinkat", [](int fd, const char* path) { return UnlinkAt(fd, path, false); }},
      {"unlinkat AT_REMOVEDIR", [](int fd, const char* path) { return UnlinkAt(fd, path, true); }},
      {"renameat from", [](int fd, const char* path) { return RenameAt(fd, path, fd, "renamed"); }},
      {"renameat to", [](int fd, const char* path) { return RenameAt(fd, "file", fd, path); }},
      {"linkat from", [](int fd, const char* path) { return LinkAt(fd, path, fd, "linked"); }},
      {"linkat to", [](int fd, const char* path) { return LinkAt(fd, "file", fd, path); }},
      {"symlinkat", [](int fd, const char* path) { return SymlinkAt("x", fd, path); }},
      {"readlinkat",
       [](int fd, const char* path) {
         char target[100];
         return static_cast<int>(ReadLinkAt(fd, path, target, sizeof(target)));
       }},
      {"fchmodat", [](int fd, const char* path) { return ChangeModeAt(fd, path, 0755, true); }},
      {"utimensat",
       [](int fd, const char* path) {
         const timespec times[2] = {{1, 0}, {2, 0}};
         return SetTimesAt(fd, path, times, true);
       }},
  };
  std::vector<Question> list;
  for (const Call& call : kCalls) {
    // Those which have a flag to confine them do so in any directory.
    const bool flagged =
        std::string(call.name).find("openat") == 0 || std::string(call.name).find("fstatat") == 0;
    for (const auto& [name, state] :
         {std::pair{"unlimited", State::kUnlimited}, std::pair{"limited", State::kLimited},
          std::pair{"capability mode", State::kCapabilityMode}}) {
      if (state == State::kUnlimited && !flagged) continue;
      for (const char* path : kPaths) {
        list.push_back({std::string(call.name) + ", " + name + ": '" + path + "'",
                        [&call, state = state, path] { return AskPath(call, state, path); }});
      }
    }
  }
  return list;
}

}  // namespace questions
