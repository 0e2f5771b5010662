// Questions to a kernel, asked of FreeBSD's and of the simulated one by the same
// program: it is compiled twice, against FreeBSD's headers and against those of
// native/simulation/include.
//
// Where FreeBSD's C library is called without a way through the package (which
// the simulated kernel could see), the question is one of freebsd_only.cc.

#ifndef TEST_CONFORMANCE_QUESTIONS_QUESTIONS_H_
#define TEST_CONFORMANCE_QUESTIONS_QUESTIONS_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "../../../native/freebsd_compat.h"

namespace questions {

// "ok", the name of an errno value, or a few words.
using Answer = std::string;

// The name of an errno value, which has different numbers on different systems.
std::string ErrorName(int error);
// Of a call that gives -1 and errno when it fails.
Answer Outcome(long result);
// Of a call that gives a descriptor, which is closed.
Answer OutcomeOfOpening(int fd);

// Asks in a child process, for what nobody comes back from. How it was killed,
// if it was; a watchdog kills it after a minute.
Answer InChild(const std::function<Answer()>& question);
// As a line of output, or several.
void PrintFromChild(const std::function<void()>& questions);

// The lines of output are fields with tabs in between; the last is the answer.
void Print(const std::vector<std::string>& fields);

// A fresh directory of a few files, removed with all that is in it. Call before
// capability mode.
//   file (content "content"), directory/inner, link -> file, socket (listens)
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  std::string at(const std::string& name) const { return path_ + "/" + name; }
  // The names that questions make, gone again.
  void Tidy() const;

 private:
  std::string path_;
  int listener_ = -1;
};

// A process that waits until it is killed; -1 with errno.
pid_t StartSleeper(int* fd, int flags);
// Waits until a process has ended, without reaping it.
void AwaitEnd(int process);

// A question about a descriptor that has been limited to some rights.
struct Operation {
  std::string name;
  // What the descriptor is, in words.
  std::string subject;
  // Opens one, with every right; the folder is the operation's own.
  std::function<int(const Folder&)> open;
  std::function<Answer(const Folder&, int fd)> ask;
};

// A question by name.
struct Question {
  std::string name;
  std::function<Answer()> ask;
};

int OpenFile(const Folder& folder);
int OpenDirectory(const Folder& folder);
int OpenProcess(const Folder& folder);

std::vector<Operation> Operations();
std::vector<Question> InheritanceQuestions();
std::vector<Question> ProcessQuestions();
std::vector<Question> CapabilityModeQuestions();
std::vector<Question> PathQuestions();

// What a descriptor may do: rights, ioctls and fcntls.
Answer Limits(int fd);

// pdwait(2), which the C library that this is linked with may not have.
int WaitForProcess(int fd, int* status, int options);

// Before any question.
void Prepare();

// What only FreeBSD can be asked; nothing on the simulated kernel.
std::vector<Operation> FreebsdOperations();
std::vector<Question> FreebsdInheritanceQuestions();
std::vector<Question> FreebsdProcessQuestions();
std::vector<Question> FreebsdCapabilityModeQuestions();

}  // namespace questions

#endif  // TEST_CONFORMANCE_QUESTIONS_QUESTIONS_H_
