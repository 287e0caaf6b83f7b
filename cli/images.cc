// image: what machines can be made of, and images of one's own.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "base/json.h"
#include "base/sha256.h"
#include "base/wire_images.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/document.h"
#include "cli/upload.h"

namespace bascule::cli {
namespace {

constexpr std::size_t kPiece = 60 * 1024;

struct ImageOptions {
  std::string name, file, reason;
  bool iso = false;
};

void print_images(Session& session, const std::string& body) {
  Table table({"IMAGE", "KIND", "AT LEAST", "STATE", "WHAT"});
  for (const Document& image : elements(parse(body), "items")) {
    const bool own = flag(image, "own");
    const std::string least = text(image, "least_mib");
    table.add({{text(image, "name"), Tone::strong},
               {text(image, "kind")},
               {least == "0" ? "-" : least + " MiB"},
               {own ? text(image, "state") : "offered"},
               {own ? text(image, "problem") : text(image, "description")}});
  }
  table.print(session.out, session.terminal.colours);
}

Result<std::string> digest_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return failure(ErrorCode::not_found, path + " can't be read");
  Sha256 digest;
  std::string piece(kPiece, '\0');
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0)
    digest.add(std::string_view(piece).substr(0, static_cast<std::size_t>(file.gcount())));
  return digest.hex();
}

// Announced before, and not sent whole: it may be sent again, if it is the same.
bool is_announced(Session& session, const std::string& name, const std::string& sha256) {
  const auto body = session.get("/v1/images");
  if (!body) return false;
  for (const Document& image : elements(parse(*body), "items"))
    if (text(image, "name") == name && text(image, "state") == "announced" && text(image, "sha256") == sha256)
      return true;
  return false;
}

int upload(Session& session, const ImageOptions& options) {
  std::error_code problem;
  const std::uint64_t bytes = std::filesystem::file_size(options.file, problem);
  if (problem) return session.report({kUsage, options.file + ": " + problem.message(), ""});
  const auto sha256 = digest_of(options.file);
  if (!sha256) return session.report({kUsage, sha256.error().message, ""});
  if (!is_announced(session, options.name, *sha256)) {
    const json::Value body{{"name", options.name},
                           {"kind", options.iso ? "iso" : "disk"},
                           {"bytes", bytes},
                           {"sha256", *sha256},
                           {"reason", options.reason}};
    const auto announced = session.change("POST", "/v1/images", json::text_of(body));
    if (!announced) return session.report(announced.error());
  }
  const auto ticket = session.post("/v1/images/" + segment(options.name) + "/upload", "{}");
  if (!ticket) return session.report(ticket.error());
  const auto to = client_options(session.globals, session.asker());
  if (!to) return session.report(to.error());
  const std::string said = send_file(*to, text(parse(*ticket), "path"), options.file);
  if (!said.ends_with(wire::kStored))
    return session.report({kRefused, "the image was not stored: " + said,
                           "`bascule image list` says more. It may be sent again."});
  session.out << harmless(options.name) << " is stored: `bascule vm create --"
              << (options.iso ? "iso " : "image ") << harmless(options.name) << " …`\n";
  return kDone;
}

int remove(Session& session, const ImageOptions& options) {
  const auto done =
      session.change("DELETE", "/v1/images/" + segment(options.name), reason_body(options.reason));
  return session.show(done,
                      [&](const std::string&) { session.out << harmless(options.name) << " is removed\n"; });
}

CLI::App& add(CLI::App& image, Session& session, const std::string& name, const std::string& what,
              const std::string& example, int (*act)(Session&, const ImageOptions&),
              const std::shared_ptr<ImageOptions>& options) {
  CLI::App& command = add_command(image, session, name, what, example,
                                  [&session, options, act] { return act(session, *options); });
  command.add_option("name", options->name, "Name of the image")->required()->type_name("NAME");
  command.add_option("--reason", options->reason, "Goes into the audit")->type_name("TEXT");
  return command;
}

}  // namespace

void add_image_commands(CLI::App& app, Session& session) {
  CLI::App& image = add_group(app, "image", "What machines can be made of");
  add_command(image, session, "list", "All images, your own too", "  bascule image list", [&session] {
    return session.show(session.get("/v1/images"),
                        [&session](const std::string& body) { print_images(session, body); });
  });
  const auto sent = std::make_shared<ImageOptions>();
  CLI::App& command =
      add(image, session, "upload", "Send an image of your own: raw, qcow2, or a CD",
          "  bascule image upload mine ./mine.qcow2\n  bascule image upload debian-cd ./debian.iso --iso",
          upload, sent);
  command.add_option("file", sent->file, "The image")->required()->type_name("FILE");
  command.add_flag("--iso", sent->iso, "It is a CD, which installs a machine");
  add(image, session, "remove", "Remove an image of your own; machines that were made of it stay",
      "  bascule image remove mine", remove, std::make_shared<ImageOptions>());
}

}  // namespace bascule::cli
