// api: any request of the API, for what has no command of its own.
#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>
#include <ostream>

#include "cli/commands.h"

namespace bascule::cli {
namespace {

struct RawOptions {
  std::string method;
  std::string path;
  std::string file;
};

int ask(Session& session, const RawOptions& options) {
  std::string body;
  if (!options.file.empty()) {
    std::ifstream file(options.file);
    if (!file) return session.report({kUsage, options.file + " can't be read", ""});
    body.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto answer = options.method == "GET" ? session.get(options.path)
                                              : session.change(options.method, options.path, body);
  if (!answer) return session.report(answer.error());
  return session.print_json(*answer);
}

}  // namespace

void add_api_command(CLI::App& app, Session& session) {
  const auto options = std::make_shared<RawOptions>();
  CLI::App& command = add_command(app, session, "api", "Any request of the API; prints the answer",
                                  "  bascule api GET /v1/vms\n  bascule api PUT /v1/rules --file rules.json",
                                  [&session, options] { return ask(session, *options); });
  command.add_option("method", options->method)
      ->required()
      ->check(CLI::IsMember({"GET", "POST", "PUT", "DELETE"}));
  command.add_option("path", options->path, "Begins with /v1/")->required()->type_name("PATH");
  command.add_option("--file", options->file, "The body, as JSON")->type_name("FILE");
}

}  // namespace bascule::cli
