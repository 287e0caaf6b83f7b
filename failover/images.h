// Tenants' own images: announced, sent to a host, and removed again. What is in them, the engine never sees.
#pragma once

#include <string>

#include "failover/turn.h"

namespace bascule {

void announce_image(Turn& turn, const AnnounceImage& asked);
void remove_image(Turn& turn, const RemoveImageAsked& asked);
void on_image_seen(Turn& turn, const HostImageSeen& seen);
void expire_images(Turn& turn);  // on a Tick: announced, and not sent within a day

// Of a tenant, by its name there; nothing when there is none.
const TenantImage* image_of(const State& state, const TenantId& tenant, const std::string& name);

// What its machines read as a CD, by that name; nothing when there is none.
std::optional<Cdrom> cdrom_of(const State& state, const TenantId& tenant, const std::string& name);

// Who is to receive or remove an image of that site, or of any if it is nowhere yet; null: nobody can now.
const Host* keeper_of_image(const State& state, const TenantImage& image);

}  // namespace bascule
