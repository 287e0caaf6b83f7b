// What every backend of the store promises; run once for each of them.
#pragma once

#include <functional>
#include <memory>

#include "cluster/store.h"

namespace bascule {

using MakeStore = std::function<std::unique_ptr<Store>()>;  // an empty one

// To be called as the whole body of a TEST_CASE: it consists of subcases.
void check_store_contract(const MakeStore& make);

}  // namespace bascule
