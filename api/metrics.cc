// What machines and hosts use now, and used in the last 24 hours.
#include <cmath>

#include "api/body.h"
#include "api/routes.h"
#include "api/views.h"

namespace bascule::api {
namespace {

MeasuredView view_of(const Measured& measured) {
  const Rates& rates = measured.rates;
  const auto whole = [](double value) { return static_cast<std::uint64_t>(std::llround(value)); };
  return {measured.at,         rates.cpus,        whole(rates.memory),  whole(rates.reads),
          whole(rates.writes), whole(rates.read), whole(rates.written), whole(rates.received),
          whole(rates.sent)};
}

MetricsView view_of(const Metrics::Series& series) {
  MetricsView view;
  view.step = Metrics::kStep;
  if (series.now) view.now = view_of(*series.now);
  for (const Measured& step : series.steps) view.steps.push_back(view_of(step));
  return view;
}

void show_vm_metrics(Api& api, Call call) {
  const SnapshotPointer snapshot = api.snapshot();
  const Vm* vm = vm_of(call, *snapshot);
  if (vm) call.answer(200, json::encode_text(view_of(api.services().guest_metrics(vm->record.spec.id))));
}

void show_host_metrics(Api& api, Call call) {
  const HostId host(call.path.at("id"));
  if (!api.snapshot()->state.hosts.contains(host))
    return call.refuse(ErrorCode::not_found, "there is no host " + host.value);
  call.answer(200, json::encode_text(view_of(api.services().host_metrics(host))));
}

}  // namespace

std::vector<Route> metric_routes() {
  using P = Permission;
  return {{"GET",
           "/v1/vms/{id}/metrics",
           for_both(P::see_machines),
           Reach::machine,
           show_vm_metrics,
           {"show_vm_metrics", "What a machine uses now, and used in the last 24 hours", nullptr,
            gives<MetricsView>}},
          {"GET", "/v1/hosts/{id}/metrics", for_staff(P::see_fleet), Reach::fleet, show_host_metrics}};
}

}  // namespace bascule::api
