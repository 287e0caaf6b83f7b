#include "api/leave.h"

#include "base/signing.h"

namespace bascule::api {
namespace {

template <class Document>
std::string problem_of_words(const Document& document, const Call& call, const VmId& vm) {
  if (document.vm != vm) return "is for another machine";
  if (document.who != call.by) return "is for " + document.who.value + ", not for " + call.by.value;
  return "";
}

}  // namespace

std::string problem_of(const std::optional<Grant>& grant, const Call& call, const VmId& vm) {
  if (!grant) return "is missing: its tenant gives one";
  if (std::string problem = problem_of_words(*grant, call, vm); !problem.empty()) return problem;
  const bool good = check_signature(signed_text(*grant), grant->signature, grant->pin.key).has_value();
  return good ? "" : "its signature is not of that text by that key";
}

std::string problem_of(const std::optional<BrokenGlass>& glass, const Call& call, const VmId& vm,
                       const std::vector<std::string>& keys) {
  if (!glass) return "is missing: two of you sign it";
  if (std::string problem = problem_of_words(*glass, call, vm); !problem.empty()) return problem;
  const Status two = check_signers(*glass, keys);
  return two ? "" : two.error().message;
}

}  // namespace bascule::api
