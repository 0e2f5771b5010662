// Asks the questions of one topic and prints the answers, a line each.
//
//   questions [-u UID] rights < SETS     SETS: name, cr_rights[0], cr_rights[1] (hexadecimal), with
//   tabs questions [-u UID] inheritance | processes | capability-mode | paths

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capsicum.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "../../../native/child_calls.h"
#include "../../../native/directory_calls.h"
#include "questions.h"

namespace {

using questions::Answer;
using questions::Question;

struct Set {
  std::string name;
  cap_rights_t rights;
};

std::vector<Set> ReadSets() {
  std::vector<Set> sets;
  for (std::string line; std::getline(std::cin, line);) {
    const size_t first = line.find('\t');
    const size_t second = line.find('\t', first + 1);
    if (first == std::string::npos || second == std::string::npos) abort();
    Set set = {line.substr(0, first), {}};
    set.rights.cr_rights[0] = std::stoull(line.substr(first + 1), nullptr, 16);
    set.rights.cr_rights[1] = std::stoull(line.substr(second + 1), nullptr, 16);
    sets.push_back(set);
  }
  return sets;
}

Answer AskLimited(const questions::Operation& operation, const questions::Folder& folder, int fd,
                  const Set& set) {
  if (fd < 0) return "no such descriptor: " + questions::ErrorName(errno);
  if (cap_rights_limit(fd, &set.rights) != 0) return "not limited: " + questions::ErrorName(errno);
  return operation.ask(folder, fd);
}

void AskOperation(const questions::Operation& operation, const std::vector<Set>& sets) {
  const questions::Folder folder;
  for (const Set& set : sets) {
    const int fd = operation.open(folder);
    const Answer answer = AskLimited(operation, folder, fd, set);
    // A process ends with its descriptor; of others this is a close like any.
    if (fd >= 0) child_calls::CloseProcess(fd);
    folder.Tidy();
    questions::Print({operation.name, operation.subject, set.name, answer});
  }
}

void AskAbout(std::vector<questions::Operation> operations, const std::vector<Set>& sets) {
  for (const questions::Operation& operation : operations) {
    questions::PrintFromChild([&] { AskOperation(operation, sets); });
  }
}

void Ask(const std::vector<Question>& list) {
  for (const Question& question : list) {
    questions::Print({question.name, questions::InChild(question.ask)});
  }
}

}  // namespace

int main(int count, char** arguments) {
  umask(022);
  questions::Prepare();
  if (count > 2 && strcmp(arguments[1], "-u") == 0) {
    const auto id = static_cast<uid_t>(atoi(arguments[2]));
    if (child_calls::SetGroups(1, &id) != 0 || setgid(id) != 0 || setuid(id) != 0) {
      perror("questions: cannot become that user");
      return 1;
    }
    count -= 2;
    arguments += 2;
  }
  const std::string topic = count == 2 ? arguments[1] : "";
  if (topic == "rights") {
    const std::vector<Set> sets = ReadSets();
    AskAbout(questions::Operations(), sets);
    AskAbout(questions::FreebsdOperations(), sets);
  } else if (topic == "inheritance") {
    Ask(questions::InheritanceQuestions());
    Ask(questions::FreebsdInheritanceQuestions());
  } else if (topic == "processes") {
    Ask(questions::ProcessQuestions());
    Ask(questions::FreebsdProcessQuestions());
  } else if (topic == "capability-mode") {
    Ask(questions::CapabilityModeQuestions());
    Ask(questions::FreebsdCapabilityModeQuestions());
  } else if (topic == "paths") {
    Ask(questions::PathQuestions());
  } else {
    fprintf(
        stderr,
        "usage: questions [-u uid] rights | inheritance | processes | capability-mode | paths\n");
    return 1;
  }
  return 0;
}
