#include "base/net/cards.h"

#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <optional>
#include <tuple>
#include <variant>

#include "base/durable_file.h"
#include "base/log.h"
#include "base/net/crl.h"

namespace bascule::net {
namespace {

constexpr std::size_t kMostCrlBytes = std::size_t{64} * 1024 * 1024;

using Network = std::variant<asio::ip::network_v4, asio::ip::network_v6>;

std::optional<Network> parse_network(const std::string& text) {
  error_code error;
  const auto v4 = asio::ip::make_network_v4(text, error);
  if (!error) return v4;
  const auto v6 = asio::ip::make_network_v6(text, error);
  if (!error) return v6;
  return std::nullopt;
}

bool is_within(const asio::ip::address& address, const Network& network) {
  const auto same_part = [](const auto& one, const auto& other, int bits) {
    for (std::size_t i = 0; bits > 0; ++i, bits -= 8) {
      const int shift = bits >= 8 ? 0 : 8 - bits;
      if (one[i] >> shift != other[i] >> shift) return false;
    }
    return true;
  };
  if (const auto* v4 = std::get_if<asio::ip::network_v4>(&network))
    return address.is_v4() &&
           same_part(address.to_v4().to_bytes(), v4->address().to_bytes(), v4->prefix_length());
  const auto& v6 = std::get<asio::ip::network_v6>(network);
  return address.is_v6() &&
         same_part(address.to_v6().to_bytes(), v6.address().to_bytes(), v6.prefix_length());
}

using Oid = openssl::Owned<ASN1_OBJECT>;

Oid parse_oid(const std::string& text) {
  constexpr int kOnlyNumbers = 1;
  Oid oid(OBJ_txt2obj(text.c_str(), kOnlyNumbers));
  if (!oid) ERR_clear_error();
  return oid;
}

// What tells one version of a file from another.
using Stamp = std::tuple<ino_t, off_t, time_t, long>;

Stamp stamp_of(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return {};
  return {found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

std::string time_text(const ASN1_TIME* time) {
  const auto wall = openssl::wall_time(time);
  return wall ? to_iso8601(*wall) : "no date";
}

int pass_over_anchor(int good, X509_STORE_CTX* context) {
  return good == 1 || is_about_anchor(*context) ? 1 : 0;
}

struct FreeContext {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};

class LoadedTrust final : public CardTrust {
 public:
  LoadedTrust(TlsFiles own, CardRules rules) : own_(std::move(own)), rules_(std::move(rules)) {
    own_.ca = rules_.ca;
    for (const std::string& network : rules_.networks)
      if (const auto parsed = parse_network(network)) networks_.push_back(*parsed);
  }

  Status open() {
    if (const auto problems = problems_of(rules_); !problems.empty())
      return failure(ErrorCode::invalid, "cards." + problems.front());
    auto context = make_context({});
    if (!context) return failure(context.error());
    context_ = *std::move(context);
    stamp_ = {1, 0, 0, 0};  // of no file, also of none that is missing: so that its lack is said
    refresh();
    return {};
  }

  bool admits(const asio::ip::address& from) const override {
    const bool mapped = from.is_v6() && from.to_v6().is_v4_mapped();
    const asio::ip::address address =
        mapped ? asio::ip::make_address_v4(asio::ip::v4_mapped, from.to_v6()) : from;
    return std::any_of(networks_.begin(), networks_.end(),
                       [&](const Network& network) { return is_within(address, network); });
  }

  std::shared_ptr<asio::ssl::context> context() const override { return context_; }

  bool refresh() override {
    const Stamp stamp = stamp_of(rules_.crl);
    if (stamp == stamp_) return false;
    stamp_ = stamp;
    const auto read = read_crls();
    if (!read)
      log(LogLevel::error, "net", "card_crl_not_read", {{"file", rules_.crl}, {"why", read.error().message}});
    return read.has_value();
  }

  std::string why_not(const PeerChain& chain) const override {
    const std::unique_ptr<X509_STORE_CTX, FreeContext> check(X509_STORE_CTX_new());
    X509_STORE* store = SSL_CTX_get_cert_store(context_->native_handle());
    X509* own = sk_X509_value(chain.get(), 0);
    if (!check || X509_STORE_CTX_init(check.get(), store, own, chain.get()) != 1) return "out of memory";
    X509_STORE_CTX_set_purpose(check.get(), X509_PURPOSE_SSL_CLIENT);
    X509_STORE_CTX_set_verify_cb(check.get(), pass_over_anchor);
    if (X509_verify_cert(check.get()) == 1) return "";
    return X509_verify_cert_error_string(X509_STORE_CTX_get_error(check.get()));
  }

 private:
  Status read_crls() {
    const auto bytes = read_whole(rules_.crl, kMostCrlBytes);
    if (!bytes) return failure(bytes.error());
    auto crls = parse_crls(*bytes);
    if (!crls) return failure(crls.error());
    for (const Crl& crl : *crls)
      if (X509_CRL_get0_nextUpdate(crl.get()) == nullptr)
        return failure(ErrorCode::invalid, "doesn't say until when it is good (nextUpdate)");
    for (const Crl& crl : *crls)
      log(LogLevel::info, "net", "card_crl_read",
          {{"file", rules_.crl}, {"good_until", time_text(X509_CRL_get0_nextUpdate(crl.get()))}});
    auto context = make_context(*crls);
    if (!context) return failure(context.error());
    context_ = *std::move(context);
    return {};
  }

  Result<std::shared_ptr<asio::ssl::context>> make_context(const std::vector<Crl>& crls) const {
    auto context = make_tls_context(own_, Side::server);
    if (!context) return context;
    SSL_CTX* native = (*context)->native_handle();
    SSL_CTX_set_client_CA_list(native, SSL_load_client_CA_file(rules_.ca.c_str()));
    X509_STORE* store = SSL_CTX_get_cert_store(native);
    X509_VERIFY_PARAM* param = X509_STORE_get0_param(store);
    Oid oid = parse_oid(rules_.policy);
    if (!oid || X509_VERIFY_PARAM_add0_policy(param, oid.get()) != 1)
      return failure(ErrorCode::exhausted, "out of memory");
    (void)oid.release();  // it is the parameter's now
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_POLICY_CHECK | X509_V_FLAG_EXPLICIT_POLICY |
                                           X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL |
                                           X509_V_FLAG_PARTIAL_CHAIN);
    for (const Crl& crl : crls)
      if (X509_STORE_add_crl(store, crl.get()) != 1) return failure(ErrorCode::exhausted, "out of memory");
    return context;
  }

  TlsFiles own_;
  const CardRules rules_;
  std::vector<Network> networks_;
  std::shared_ptr<asio::ssl::context> context_;
  Stamp stamp_;
};

}  // namespace

PeerChain chain_of(SSL& connection) {
  STACK_OF(X509)* chain = sk_X509_new_null();
  X509* own = SSL_get1_peer_certificate(&connection);
  if (own != nullptr) sk_X509_push(chain, own);
  // A server's view of it lacks the client's own certificate.
  STACK_OF(X509)* others = SSL_get_peer_cert_chain(&connection);
  for (int i = 0; i < sk_X509_num(others); ++i) {
    X509* certificate = sk_X509_value(others, i);
    X509_up_ref(certificate);
    sk_X509_push(chain, certificate);
  }
  return {chain, [](STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }};
}

bool is_about_anchor(X509_STORE_CTX& context) {
  const int depth = X509_STORE_CTX_get_error_depth(&context);
  const bool is_anchor = depth > 0 && depth + 1 == sk_X509_num(X509_STORE_CTX_get0_chain(&context));
  if (!is_anchor || X509_STORE_CTX_get_error(&context) != X509_V_ERR_UNABLE_TO_GET_CRL) return false;
  X509_STORE_CTX_set_error(&context, X509_V_OK);
  return true;
}

bool carries_policy(const X509& certificate, const std::string& policy) {
  const Oid wanted = parse_oid(policy);
  auto* policies = static_cast<CERTIFICATEPOLICIES*>(
      X509_get_ext_d2i(&certificate, NID_certificate_policies, nullptr, nullptr));
  bool found = false;
  for (int i = 0; wanted && i < sk_POLICYINFO_num(policies); ++i)
    found = found || OBJ_cmp(sk_POLICYINFO_value(policies, i)->policyid, wanted.get()) == 0;
  CERTIFICATEPOLICIES_free(policies);
  return found;
}

Result<std::unique_ptr<CardTrust>> CardTrust::load(const TlsFiles& own, const CardRules& rules) {
  auto trust = std::make_unique<LoadedTrust>(own, rules);
  if (const Status opened = trust->open(); !opened) return failure(opened.error());
  return trust;
}

std::vector<std::string> problems_of(const CardRules& rules) {
  std::vector<std::string> problems;
  if (rules.ca.empty()) problems.emplace_back("ca: must not be empty");
  if (!parse_oid(rules.policy)) problems.emplace_back("policy: must be an OID such as 1.3.6.1.4.1.32473.1.1");
  if (rules.crl.empty()) problems.emplace_back("crl: must not be empty");
  if (rules.networks.empty()) problems.emplace_back("networks: at least one is needed");
  for (std::size_t i = 0; i < rules.networks.size(); ++i)
    if (!parse_network(rules.networks[i]))
      problems.push_back("networks[" + std::to_string(i) + "]: must be like 198.18.0.0/16 or 2001:db8::/32");
  return problems;
}

}  // namespace bascule::net
