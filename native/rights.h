// cap_rights_t to and from the four 32-bit words that cross to JavaScript.

#ifndef NATIVE_RIGHTS_H_
#define NATIVE_RIGHTS_H_

#include <sys/capsicum.h>

#include <cstdint>

cap_rights_t RightsFromWords(const uint32_t words[4]);
void RightsToWords(const cap_rights_t& rights, uint32_t words[4]);

#endif  // NATIVE_RIGHTS_H_
