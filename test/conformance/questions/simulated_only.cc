// The simulated kernel has nothing to say to what only FreeBSD can be asked.

#include <sys/procdesc.h>

#include "../../../native/simulation/jail_tree.h"
#include "questions.h"

namespace questions {

void Prepare() { simulation::OfferJailEvents(); }

std::vector<Operation> FreebsdOperations() { return {}; }
std::vector<Question> FreebsdInheritanceQuestions() { return {}; }
std::vector<Question> FreebsdProcessQuestions() { return {}; }
std::vector<Question> FreebsdCapabilityModeQuestions() { return {}; }

int WaitForProcess(int fd, int* status, int options) {
  return pdwait(fd, status, options, nullptr, nullptr);
}

}  // namespace questions
