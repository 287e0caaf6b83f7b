// sign-in and what belongs to it: for the users of tenants, through a portal.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <ostream>

#include "base/durable_file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/document.h"

namespace bascule::cli {
namespace {

struct SignIn {
  std::string user;
  std::string password;
  std::string code;
};
template <class V>
void fields(V& v, SignIn& x) {
  v("user", x.user);
  v("password", x.password);
  v.optional("code", x.code);
}

struct NewPassword {
  std::string user;
  std::string invitation;
  std::string password;
};
template <class V>
void fields(V& v, NewPassword& x) {
  v("user", x.user);
  v("invitation", x.invitation);
  v("password", x.password);
}

struct NewToken {
  std::string name;
  std::vector<std::string> permissions;
  std::uint32_t days = 90;
};
template <class V>
void fields(V& v, NewToken& x) {
  v("name", x.name);
  v.optional("permissions", x.permissions);
  v("days", x.days);
}

int sign_in(Session& session, SignIn request) {
  const auto password = session.ask_secret("Password of " + request.user + ":");
  if (!password) return session.report({kUsage, "no password was given", ""});
  request.password = password->reveal();
  const auto answer = session.post("/v1/sessions", json::encode_text(request));
  if (!answer) return session.report(answer.error());
  const Document opened = parse(*answer);
  const std::string path = token_path(config_path(session.globals.config));
  if (const Status written = write_durably(path, text(opened, "token") + "\n"); !written)
    return session.report(
        {kRefused, written.error().message, "The session is open, but can't be kept here."});
  session.out << "signed in as " << harmless(text(opened, "user")) << " until "
              << time_text(opened, "expires") << '\n';
  return kDone;
}

int sign_out(Session& session) {
  const auto ended = session.change("DELETE", "/v1/tokens/current", "");
  std::error_code ignored;
  std::filesystem::remove(token_path(config_path(session.globals.config)), ignored);
  return session.show(ended, [&session](const std::string&) { session.out << "signed out\n"; });
}

int set_password(Session& session, NewPassword request) {
  const auto password = session.ask_secret("New password of " + request.user + ":");
  if (!password) return session.report({kUsage, "no password was given", ""});
  request.password = password->reveal();
  return session.show(session.post("/v1/passwords", json::encode_text(request)), [&](const std::string&) {
    session.out << "set; now: bascule sign-in " << harmless(request.user) << '\n';
  });
}

void print_self(Session& session, const std::string& body) {
  const Document self = parse(body);
  session.out << harmless(text(self, "user")) << ": " << joined(self, "roles", ", ") << "\nmay "
              << joined(self, "permissions", ", ") << "\nsecond factor: "
              << (flag(self, "second_factor") ? text(self, "recovery_codes") + " recovery codes left"
                                              : "none")
              << '\n';
}

void print_tokens(Session& session, const std::string& body) {
  Table table({"TOKEN", "NAME", "CREATED", "UNTIL", "LAST USE", "MAY"});
  for (const Document& token : elements(parse(body), "items")) {
    const bool session_of_user = text(token, "name").empty();
    table.add(
        {{text(token, "id"), Tone::strong},
         {session_of_user ? (flag(token, "current") ? "this session" : "session") : text(token, "name")},
         {time_text(token, "created")},
         {time_text(token, "expires")},
         {time_text(token, "last_use")},
         {joined(token, "permissions", " ")}});
  }
  table.print(session.out, session.terminal.colours);
}

void add_tokens(CLI::App& app, Session& session) {
  CLI::App& group = add_group(app, "token", "What lets you and your programs in");
  add_command(group, session, "list", "Your sessions and tokens", "  bascule token list", [&session] {
    return session.show(session.get_all("/v1/tokens"),
                        [&session](const std::string& body) { print_tokens(session, body); });
  });
  const auto made = std::make_shared<NewToken>();
  CLI::App& create =
      add_command(group, session, "create", "Make a token for a program; it is shown this once",
                  "  bascule token create backup --may see_machines --may change_contents --days 30\n"
                  "  BASCULE_TOKEN=bst_… bascule vm list",
                  [&session, made] {
                    return session.show(session.post("/v1/tokens", json::encode_text(*made)),
                                        [&session](const std::string& body) {
                                          session.out << harmless(text(parse(body), "token")) << '\n';
                                        });
                  });
  create.add_option("name", made->name, "What it is for")->required()->type_name("NAME");
  create.add_option("--may", made->permissions, "Repeatable; without it, all that you may")
      ->type_name("PERMISSION");
  create.add_option("--days", made->days, "Until it ends by itself (90)")->check(CLI::Range(1, 366));
  const auto id = std::make_shared<std::string>();
  CLI::App& end = add_command(
      group, session, "end", "End a session or token", "  bascule token end 3f1c22a09b7e", [&session, id] {
        const auto ended = session.change("DELETE", "/v1/tokens/" + segment(*id), "");
        return session.show(ended,
                            [&](const std::string&) { session.out << harmless(*id) << " is ended\n"; });
      });
  end.add_option("token", *id, "As `bascule token list` shows it")->required()->type_name("TOKEN");
}

}  // namespace

void add_sign_in_commands(CLI::App& app, Session& session) {
  const auto user = std::make_shared<SignIn>();
  CLI::App& in = add_command(app, session, "sign-in", "Sign in as a tenant's user, through a portal",
                             "  bascule sign-in acme/anna\n  bascule sign-in acme/anna --code 492039",
                             [&session, user] { return sign_in(session, *user); });
  in.add_option("user", user->user, "TENANT/NAME")->required()->type_name("USER");
  in.add_option("--code", user->code, "Of your second factor, or a recovery code");
  add_command(app, session, "sign-out", "End this session", "  bascule sign-out",
              [&session] { return sign_out(session); });
  const auto made = std::make_shared<NewPassword>();
  CLI::App& set = add_command(app, session, "set-password", "Set your first password, by your invitation",
                              "  bascule set-password acme/anna --invitation bst_…",
                              [&session, made] { return set_password(session, *made); });
  set.add_option("user", made->user, "TENANT/NAME")->required()->type_name("USER");
  set.add_option("--invitation", made->invitation, "That you were given")->required()->type_name("SECRET");
  add_command(app, session, "me", "Who you are here, and what you may", "  bascule me", [&session] {
    return session.show(session.get("/v1/me"),
                        [&session](const std::string& body) { print_self(session, body); });
  });
  add_tokens(app, session);
}

}  // namespace bascule::cli
