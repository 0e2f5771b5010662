#include "held_descriptors.h"

#include "directory_calls.h"

void HeldDescriptors::Keep(int fd) {
  if (over_) {
    directory_calls::Close(fd);
  } else {
    held_.insert(fd);
  }
}

void HeldDescriptors::CloseAll() {
  over_ = true;
  for (const int fd : held_) directory_calls::Close(fd);
  held_.clear();
}
