/* The fault proxy's descriptors in epoll. */
#include <unistd.h>

#include "cli/faultproxy/fault_internal.h"

void watch_arm(struct fault_proxy *proxy, struct watch *watch, uint32_t wanted)
{
    ASSERT(watch->fd >= 0);
    if (watch->armed == wanted)
        return;
    struct epoll_event event = {.events = wanted, .data.ptr = watch};
    int op = watch->armed == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    int failed = epoll_ctl(proxy->epoll, op, watch->fd, &event);
    ASSERT(failed == 0);
    watch->armed = wanted;
}

void watch_close(struct fault_proxy *proxy, struct watch *watch)
{
    if (watch->fd < 0)
        return;
    watch_arm(proxy, watch, 0);
    close(watch->fd);
    watch->fd = -1;
}
