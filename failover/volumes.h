// Volumes that each site has a copy of: which way a start must fetch them, what a switch lost, how the copies
// are.
#pragma once

#include "failover/turn.h"

namespace bascule {

// What a start on that host means for the VM's volumes. Of the record, so that a repeated command says the
// same.
wire::Takeover takeover_for(const Turn& turn, const Vm& vm, const Host& to, Reason reason);

// The VM has ended, by itself or with its host: from then on nothing of it was written. Kept until it runs
// again.
void note_last_alive(Turn& turn, Vm& vm);

// The answer to a start: which data came along, and how much of the last is lost.
void note_taken(Turn& turn, Vm& vm, const std::vector<wire::VolumeTaken>& taken);

void on_volumes_seen(Turn& turn, const Copy& from, const wire::VolumesSeen& seen);

// An operator's change of a VM's volumes, and its end.
void change_volumes(Turn& turn, const ChangeVolumesAsked& asked);
// The hosts note it with the volumes; the VM counts as delivered once they have.
void deliver_volumes(Turn& turn, Vm& vm, const Asked& asked);
void volumes_changed(Turn& turn, Vm& vm, const wire::CommandReply& reply);

std::string words_about_copies(const Vm& vm);  // for a plan; empty when there are none

}  // namespace bascule
