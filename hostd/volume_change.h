// Whether an image, as it is now, can be changed as asked. What is asked comes from people: the words are for
// them.
#pragma once

#include "base/result.h"
#include "base/wire.h"
#include "hostd/ceph.h"

namespace bascule::hostd {

Status can_apply(const ImageState& image, const wire::TakeSnapshot& change);
Status can_apply(const ImageState& image, const wire::RemoveSnapshot& change);
Status can_apply(const ImageState& image, const wire::RollBack& change);
Status can_apply(const ImageState& image, const wire::Grow& change);
Status can_apply(const ImageState& image, const wire::Deliver& change);
// Nothing but a roll back may follow one that was begun and didn't end; nor may the volume be opened.
Status check_whole(const ImageState& image);

}  // namespace bascule::hostd
