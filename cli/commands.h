// The commands of `bascule`: one file per family adds its own to the program.
#pragma once

#include <functional>
#include <string>

#include "cli/session.h"

namespace CLI {
class App;
}

namespace bascule::cli {

void add_status(CLI::App& app, Session& session);
void add_host_commands(CLI::App& app, Session& session);
void add_vm_commands(CLI::App& app, Session& session);
void add_volume_commands(CLI::App& vm, Session& session);  // of the group vm
void add_console_command(CLI::App& vm, Session& session);
void add_grant_command(CLI::App& vm, Session& session);
void add_break_glass_command(CLI::App& vm, Session& session);
void add_vm_metrics(CLI::App& vm, Session& session);
void add_host_enrolment(CLI::App& host, Session& session);
void add_host_metrics(CLI::App& host, Session& session);
void add_return_commands(CLI::App& vm, Session& session);
void add_key_commands(CLI::App& app, Session& session);
void add_quota_command(CLI::App& app, Session& session);
void add_image_commands(CLI::App& app, Session& session);
void add_tenant_quota(CLI::App& tenant, Session& session);  // of the group tenant
void add_failback_commands(CLI::App& app, Session& session);
void add_people_commands(CLI::App& app, Session& session);   // tenant, access
void add_tenant_invite(CLI::App& tenant, Session& session);  // of the group tenant
void add_sign_in_commands(CLI::App& app, Session& session);  // sign-in, sign-out, set-password, me, token
void add_operation_commands(CLI::App& app, Session& session);
void add_role_commands(CLI::App& app, Session& session);
void add_contact_commands(CLI::App& app, Session& session);
void add_user_commands(CLI::App& app, Session& session);
void add_api_command(CLI::App& app, Session& session);
void add_trail_commands(CLI::App& app, Session& session);  // events, explain, incidents, notify, and audit
void add_report_commands(CLI::App& app, Session& session);
void add_audit_commands(CLI::App& app, Session& session);

// A group of commands ("vm"), and one command with its examples; `run` gives the exit code.
CLI::App& add_group(CLI::App& app, const std::string& name, const std::string& what);
CLI::App& add_command(CLI::App& app, Session& session, const std::string& name, const std::string& what,
                      const std::string& examples, std::function<int()> run);

// {"reason": "…"}
std::string reason_body(const std::string& reason);

}  // namespace bascule::cli
