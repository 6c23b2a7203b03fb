/* links: topology */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "topology/topology.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char path[] = "/tmp/fuzz-topology-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
        abort();
    close(fd);
    static struct topology topology;
    struct topology_problems problems = {0};
    struct candor_error err;
    topology_load(path, &topology, &problems, &err);
    topology_problems_free(&problems);
    unlink(path);
    return 0;
}
