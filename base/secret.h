// Secret: text that must not be seen. Never logged, never printed, wiped when it goes.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"

namespace bascule {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  Secret(Secret&&) = default;
  Secret& operator=(Secret&&) = default;
  ~Secret();

  // Only where the text leaves for its purpose (a password on a stdin, a TLS key).
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

// Reads a secret from a file that only its owner can read (mode 0600 or stricter); trailing newline removed.
Result<Secret> read_secret_file(const std::string& path);

// Of 256 random bits: "bst_" and 43 letters (base64url). The prefix lets scanners find one that leaked.
Secret make_secret(Random& random);
bool is_secret(std::string_view text);  // by its form

// Takes the same time wherever the texts differ.
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace bascule
