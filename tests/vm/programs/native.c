// native: a static program that is not Go's, for the profile "generic".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char** argv) {
  if (argc > 2 && strcmp(argv[1], "memory") == 0) {
    for (long left = atol(argv[2]); left > 0; --left) {
      char* block = malloc(1 << 20);
      if (block == NULL) return 1;
      memset(block, 1, 1 << 20);
    }
  }
  puts("hello from C");
  return 0;
}
