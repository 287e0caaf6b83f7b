// Result<T>: a value, or an Error that says what happened, to what, and what to do next.
//
// Errors are values. Exceptions of libraries end in the .cc that wraps the library; ours are never thrown.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace bascule {

enum class ErrorCode {
  invalid,          // the request itself is wrong; repeating it won't help
  not_found,        // the named thing doesn't exist
  conflict,         // the thing's present state, or a newer writer, forbids it
  changed,          // the thing isn't as the caller last saw it
  denied,           // the caller may not do this
  reason_required,  // the caller may, once they have said why (an access session)
  unauthenticated,  // nobody knows who the caller is: sign in
  policy,           // a rule of the house forbids it (the rule's name stands in the message)
  unavailable,      // a part that is needed doesn't answer; try again later
  timeout,          // no answer within the bound; what happened is known: nothing
  unknown_outcome,  // no answer, and it may or may not have taken effect: re-read, never assume
  exhausted,        // a bound was reached (queue, size, capacity)
  corrupt,          // stored or received data is damaged
  internal,         // our own fault
};

std::string_view to_string(ErrorCode code);

struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // one sentence for a person: what, to what, what to do next

  // The same error seen from one level up: "starting web-1: <message>".
  Error within(std::string_view what) const& { return {code, std::string(what) + ": " + message}; }
  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> failure(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> failure(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace bascule
