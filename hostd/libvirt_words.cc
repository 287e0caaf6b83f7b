#include "hostd/libvirt_words.h"

#include <libvirt/libvirt.h>

namespace bascule::hostd {
namespace {

std::optional<DomainEventKind> kind_of_stop(int detail) {
  switch (detail) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
      return DomainEventKind::shutdown_by_guest;
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
    case VIR_DOMAIN_EVENT_STOPPED_FAILED:
      return DomainEventKind::crashed;
    default:
      return DomainEventKind::destroyed;
  }
}

}  // namespace

std::optional<DomainEventKind> kind_of(int event, int detail) {
  switch (event) {
    case VIR_DOMAIN_EVENT_STARTED:
      return DomainEventKind::started;
    case VIR_DOMAIN_EVENT_RESUMED:
      return DomainEventKind::resumed;
    case VIR_DOMAIN_EVENT_SUSPENDED:
      return detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR ? DomainEventKind::paused_io_error
                                                          : DomainEventKind::paused;
    case VIR_DOMAIN_EVENT_STOPPED:
      return kind_of_stop(detail);
    case VIR_DOMAIN_EVENT_CRASHED:
      return DomainEventKind::crashed;
    default:
      return std::nullopt;  // defined, undefined, shutdown in progress, suspended to RAM: no change for us
  }
}

RunState run_state(int state, int reason) {
  switch (state) {
    case VIR_DOMAIN_PAUSED:
      return reason == VIR_DOMAIN_PAUSED_IOERROR ? RunState::paused_io_error : RunState::paused;
    case VIR_DOMAIN_SHUTDOWN:
    case VIR_DOMAIN_SHUTOFF:
    case VIR_DOMAIN_CRASHED:
      return RunState::dying;
    default:
      return RunState::running;
  }
}

}  // namespace bascule::hostd
