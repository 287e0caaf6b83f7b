#include "base/net/crl.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <optional>

namespace bascule::net {
namespace {

tl::unexpected<Error> no_crl() {
  return failure(ErrorCode::invalid, "is no certificate revocation list, in PEM or DER");
}

Result<std::vector<Crl>> parse_pem(const std::string& bytes) {
  const auto input = openssl::reading(bytes);
  std::vector<Crl> crls;
  while (Crl crl{PEM_read_bio_X509_CRL(input.get(), nullptr, openssl::no_passphrase, nullptr)})
    crls.push_back(std::move(crl));
  const bool at_the_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_the_end || crls.empty()) return no_crl();
  return crls;
}

}  // namespace

Result<CrlTimes> crl_times(const std::string& bytes) {
  const auto crls = parse_crls(bytes);
  if (!crls) return failure(crls.error());
  std::optional<CrlTimes> first;
  for (const Crl& crl : *crls) {
    const auto from = openssl::wall_time(X509_CRL_get0_lastUpdate(crl.get()));
    const auto until = openssl::wall_time(X509_CRL_get0_nextUpdate(crl.get()));
    if (!from || !until) return failure(ErrorCode::invalid, "doesn't say when it ends");
    if (!first || *until < first->until) first = CrlTimes{*from, *until};
  }
  return *first;
}

Result<std::vector<Crl>> parse_crls(const std::string& bytes) {
  if (bytes.find("-----BEGIN") != std::string::npos) return parse_pem(bytes);
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  Crl crl{d2i_X509_CRL(nullptr, &at, static_cast<long>(bytes.size()))};
  ERR_clear_error();
  if (!crl || at != end) return no_crl();
  std::vector<Crl> crls;
  crls.push_back(std::move(crl));
  return crls;
}

}  // namespace bascule::net
