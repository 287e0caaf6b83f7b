// How many random writes of 4 KiB a second a disk takes, eight at once, past every cache of the guest.
//
//   iops DISK SECONDS
//
// Writes the whole disk first, so that no write makes room. Prints the number.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kBlock = 4096, kFill = 1 << 20, kWriters = 8 };

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static int fill(const char* disk, long long bytes, char* from) {
  const int fd = open(disk, O_WRONLY | O_DIRECT);
  for (long long at = 0; at + kFill <= bytes; at += kFill)
    if (pwrite(fd, from, kFill, at) != kFill) return 1;
  return fd < 0;
}

static long write_for(const char* disk, long long blocks, char* from, unsigned seed, double seconds) {
  const int fd = open(disk, O_WRONLY | O_DIRECT);
  long done = 0;
  for (const double end = now() + seconds; now() < end; ++done)
    if (pwrite(fd, from, kBlock, (long long)(rand_r(&seed) % blocks) * kBlock) != kBlock) return -1;
  return done;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int fd = open(argv[1], O_RDONLY);
  const long long bytes = lseek(fd, 0, SEEK_END);
  char* from = aligned_alloc(kBlock, kFill);
  if (bytes < kFill || from == NULL) return 1;
  memset(from, 'b', kFill);
  if (fill(argv[1], bytes, from) != 0) return 1;
  long* counts = mmap(NULL, kWriters * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const double seconds = atof(argv[2]);
  for (unsigned writer = 0; writer < kWriters; ++writer)
    if (fork() == 0) {
      counts[writer] = write_for(argv[1], bytes / kBlock, from, writer + 1, seconds);
      _exit(0);
    }
  long all = 0;
  for (unsigned writer = 0; writer < kWriters; ++writer) wait(NULL);
  for (unsigned writer = 0; writer < kWriters; ++writer) {
    if (counts[writer] < 0) return 1;
    all += counts[writer];
  }
  printf("%.1f\n", (double)all / seconds);
  return 0;
}
