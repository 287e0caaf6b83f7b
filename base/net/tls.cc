#include "base/net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl/error.hpp>

#include "base/net/cards.h"
#include "base/net/token_key.h"
#include "base/openssl.h"
#include "base/sha256.h"

namespace bascule::net {
namespace {

// The reason in OpenSSL's packed error number; alerts of the other end are 1000 + the alert's number (RFC
// 8446, 6).
int reason_of(const error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return 0;
  return ERR_GET_REASON(static_cast<unsigned long>(static_cast<unsigned int>(error.value())));
}

std::string subject_entry(const X509& certificate, int nid) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  const int index = X509_NAME_get_index_by_NID(subject, nid, -1);
  if (index < 0) return "";
  // Two entries of one kind could be read differently by two programs: such a certificate has none.
  if (X509_NAME_get_index_by_NID(subject, nid, index) >= 0) return "";
  unsigned char* text = nullptr;
  const int length =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
  if (length < 0) return "";
  const std::string entry(text, text + length);
  OPENSSL_free(text);
  return entry;
}

bool names_host(X509& certificate, const std::string& host) {
  error_code not_numeric;
  asio::ip::make_address(host, not_numeric);
  if (!not_numeric) return X509_check_ip_asc(&certificate, host.c_str(), 0) == 1;
  return X509_check_host(&certificate, host.data(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                         nullptr) == 1;
}

std::string subject_words(const X509& certificate) {
  const Peer peer = read_peer(certificate);
  return "certificate CN=" + peer.name + ", OU=" + peer.role;
}

// Called for each certificate of the chain, and for each of its faults: only the peer's own counts.
bool admit_only(X509_STORE_CTX& context, const std::string& fingerprint, std::string& why) {
  const X509* own = X509_STORE_CTX_get0_cert(&context);
  unsigned char* der = nullptr;
  const int size = own == nullptr ? 0 : i2d_X509(own, &der);
  if (size <= 0) return false;
  const bool same =
      sha256_hex({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)}) == fingerprint;
  OPENSSL_free(der);
  X509_STORE_CTX_set_error(&context, same ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
  if (!same) why = subject_words(*own) + ": it isn't the certificate with that fingerprint";
  return same;
}

void configure(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
}

tl::unexpected<Error> unusable(const std::string& what, const std::string& file, const error_code& error) {
  return failure(ErrorCode::invalid, what + " " + file + " can't be used: " + error.message());
}

}  // namespace

Result<std::shared_ptr<asio::ssl::context>> make_tls_context(const TlsFiles& files, Side side) {
  using asio::ssl::context;
  auto result = std::make_shared<context>(side == Side::server ? context::tls_server : context::tls_client);
  configure(result->native_handle());
  error_code error;
  const bool is_public = side == Side::server && files.ca.empty();
  if (!files.ca.empty())
    result->load_verify_file(files.ca, error);
  else if (side == Side::client)
    result->set_default_verify_paths(error);
  if (error) return unusable("CA file", files.ca, error);
  const int demands = asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert;
  result->set_verify_mode(is_public ? asio::ssl::verify_none : demands, error);
  if (error) return unusable("CA file", files.ca, error);
  if (side == Side::client && files.certificate.empty()) return result;
  if (is_token_uri(files.key)) {
    if (const Status used = use_token(*result->native_handle(), files); !used) return failure(used.error());
    return result;
  }
  result->use_certificate_chain_file(files.certificate, error);
  if (error) return unusable("certificate file", files.certificate, error);
  result->use_private_key_file(files.key, context::pem, error);
  if (error) return unusable("key file", files.key, error);
  if (SSL_CTX_check_private_key(result->native_handle()) != 1)
    return failure(ErrorCode::invalid,
                   "key file " + files.key + " doesn't belong to certificate " + files.certificate);
  return result;
}

Peer read_peer(const X509& certificate) {
  Peer peer;
  peer.name = subject_entry(certificate, NID_commonName);
  peer.role = subject_entry(certificate, NID_organizationalUnitName);
  peer.serial = openssl::serial_of(certificate);
  return peer;
}

bool admit(bool chain_is_good, X509_STORE_CTX& context, const PeerRule& rule, std::string& why) {
  if (!rule.fingerprint.empty()) return admit_only(context, rule.fingerprint, why);
  X509* certificate = X509_STORE_CTX_get_current_cert(&context);
  if (!chain_is_good && is_about_anchor(context)) return true;
  if (!chain_is_good || certificate == nullptr) {
    if (certificate == nullptr)
      certificate = X509_STORE_CTX_get0_cert(&context);  // it is the whole chain's fault
    why = (certificate == nullptr ? std::string("certificate") : subject_words(*certificate)) + ": " +
          X509_verify_cert_error_string(X509_STORE_CTX_get_error(&context));
    return false;
  }
  if (X509_STORE_CTX_get_error_depth(&context) > 0) return true;  // a CA, not the peer itself
  const Peer peer = read_peer(*certificate);
  if (!rule.role.empty() && peer.role != rule.role) {
    X509_STORE_CTX_set_error(&context,
                             X509_V_ERR_INVALID_PURPOSE);  // sent as alert "unsupported certificate"
    why = subject_words(*certificate) + ": its role isn't the expected OU=" + rule.role;
    return false;
  }
  if (!rule.policy.empty() && !carries_policy(*certificate, rule.policy)) {
    X509_STORE_CTX_set_error(&context, X509_V_ERR_NO_EXPLICIT_POLICY);
    why = subject_words(*certificate) + ": it wasn't issued under the policy " + rule.policy +
          ", which says that its key is in a card";
    return false;
  }
  if (!(rule.role.empty() && rule.policy.empty()) && peer.name.empty()) {
    X509_STORE_CTX_set_error(&context, X509_V_ERR_CERT_REJECTED);
    why = subject_words(*certificate) + ": it must have exactly one CN";
    return false;
  }
  if (!rule.host.empty() && !names_host(*certificate, rule.host)) {
    X509_STORE_CTX_set_error(&context, X509_V_ERR_HOSTNAME_MISMATCH);
    why = subject_words(*certificate) + ": no subjectAltName matches the dialled address " + rule.host;
    return false;
  }
  return true;
}

bool is_our_certificate_refused(const error_code& error) {
  switch (reason_of(error)) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

std::string describe_tls_error(const error_code& error) {
  switch (reason_of(error)) {
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "the other end says that our certificate has expired";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "the other end says that our certificate is of a CA unknown to it";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
      return "the other end says that our certificate was revoked";
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return "the other end says that our certificate's role (OU) isn't admitted there";
    default:
      break;
  }
  if (is_our_certificate_refused(error))
    return "the other end refuses our certificate (" + error.message() + ")";
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated)
    return "the other end closed the connection";
  return error.message();
}

}  // namespace bascule::net
