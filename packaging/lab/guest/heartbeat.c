// The work of a lab guest: proves from outside that exactly one copy of it runs, and which boot it is.
//
//   heartbeat NAME DISK PERIOD_MS [ADDRESS:PORT]
//
// Each period it writes "vm=NAME boot=ID counter=N" to the first 4 KiB of DISK (O_DIRECT and O_SYNC: in no cache when
// it returns), says so by UDP, and renews /www/index.html for the HTTP server. ID is random for each boot. The report
// adds "disk=ok|none|error|foreign after=ID:N mib=N": foreign when the block was not what this boot wrote last, that is,
// when another copy writes too; `after` is what the disk held when this boot began. "mib" is the size of DISK now.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kBlock = 4096 };

static const char* write_block(const char* disk, const char* text, char* after, long long* mib) {
  static char last[kBlock];
  static char* block;
  static int fd = -1;
  if (block == NULL) block = aligned_alloc(kBlock, kBlock);
  if (fd < 0) fd = open(disk, O_RDWR | O_DIRECT | O_SYNC);
  if (fd < 0) return access(disk, F_OK) == 0 ? "error" : "none";
  *mib = lseek(fd, 0, SEEK_END) >> 20;
  if (pread(fd, block, kBlock, 0) != kBlock) return "error";
  block[kBlock - 1] = 0;
  const int foreign = last[0] != 0 && strcmp(block, last) != 0;
  unsigned long long counter;
  if (last[0] == 0 && sscanf(block, "vm=%*s boot=%16s counter=%llu", after, &counter) == 2)
    sprintf(after + strlen(after), ":%llu", counter);
  strncpy(last, text, kBlock - 1);
  memcpy(block, last, kBlock);
  if (pwrite(fd, block, kBlock, 0) != kBlock) return "error";
  return foreign ? "foreign" : "ok";
}

static void publish(const char* name, const char* boot, uint64_t counter) {
  FILE* page = fopen("/www/.next", "w");
  if (page == NULL) return;
  fprintf(page, "%s boot=%s counter=%llu\n", name, boot, (unsigned long long)counter);
  fclose(page);
  rename("/www/.next", "/www/index.html");
}

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  // Waiting for a seeded generator takes seconds in an emulated guest: unseeded bytes and the clock are unique enough.
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, GRND_INSECURE) != sizeof random) return 1;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  random ^= ((uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec) * 0x9e3779b97f4a7c15u;
  char boot[17];
  snprintf(boot, sizeof boot, "%016llx", (unsigned long long)random);

  struct sockaddr_in to = {.sin_family = AF_INET};
  char address[32] = "";
  if (argc > 4) strncpy(address, argv[4], sizeof address - 1);
  char* port = strchr(address, ':');
  if (port != NULL) {
    *port++ = 0;
    to.sin_port = htons((uint16_t)atoi(port));
    inet_pton(AF_INET, address, &to.sin_addr);
  }
  int udp = socket(AF_INET, SOCK_DGRAM, 0);
  long period = atol(argv[3]);
  char after[64] = "none";
  for (uint64_t counter = 1;; ++counter) {
    char text[256], report[384];
    long long mib = 0;
    snprintf(text, sizeof text, "vm=%s boot=%s counter=%llu\n", argv[1], boot, (unsigned long long)counter);
    const char* disk = write_block(argv[2], text, after, &mib);
    snprintf(report, sizeof report, "vm=%s boot=%s counter=%llu disk=%s after=%s mib=%lld\n", argv[1], boot,
             (unsigned long long)counter, disk, after, mib);
    if (port != NULL) sendto(udp, report, strlen(report), 0, (struct sockaddr*)&to, sizeof to);
    publish(argv[1], boot, counter);
    struct timespec pause = {period / 1000, period % 1000 * 1000000L};
    nanosleep(&pause, NULL);
  }
}
