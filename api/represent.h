// From the engine's State to what the API shows. Pure functions of an immutable snapshot.
#pragma once

#include "api/views.h"
#include "failover/access/authorize.h"
#include "failover/policy.h"

namespace bascule::api {

// `notices`: some route for them is configured.
// Names of VMs as `who` may see them.
StatusView status_view(const State& state, const Policy& policy, const std::vector<std::string>& channels,
                       const Principal& who);
HostView host_view(const State& state, const Policy& policy, const Host& host, const Principal& who);
VmView vm_view(const State& state, const Policy& policy, const Vm& vm);

FencingView fencing_view(const Policy& policy, const Host& host);
Answered switchable_view(const State& state, const Policy& policy, const Vm& vm);

// The name, or the id where they may not.
const std::string& name_for(const State& state, const Principal& who, const Vm& vm);

// May this person see the VM's page now? Where not, lists show it without its name and contents.
bool may_see(const State& state, const Principal& who, const Vm& vm);
VmView without_contents(VmView view);  // disks, networks, kernel
VmView without_names(VmView view);     // nor these
// Its own name for it, and nothing of the provider's hosts.
VmView as_tenant_sees(VmView view, const VmSpec& spec);

// Without the trail, which is in the store.
ExplainView explain_host(const Policy& policy, const Host& host);
ExplainView explain_vm(const State& state, const Vm& vm);

// A VM by its id or its name; null when there is none.
// By its id or its name: "acme/shop-1", or in their own words for a tenant's user.
const Vm* find_vm(const State& state, const std::string& id_or_name, const TenantId& tenant = {});

}  // namespace bascule::api
