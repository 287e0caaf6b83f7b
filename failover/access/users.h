// What is asked about the users of tenants: invitations, passwords, sessions and tokens. Secrets are never
// here, only their hashes. Each request gets exactly one Answer.
#pragma once

#include "failover/turn.h"

namespace bascule {

// By an owner of the tenant; or by the provider's staff, while it has no owner who could.
void invite_user(Turn& turn, const InviteUser& asked);
void change_user(Turn& turn, const ChangeUser& asked);  // roles, or disabled; ends what lets them in
void remove_user(Turn& turn, const RemoveUser& asked);

void set_rules(Turn& turn, const SetRules& asked);
void set_contacts(Turn& turn, const SetContacts& asked);

// By whoever has the invitation's secret, or from a session by whoever gave the password before. Ends
// whatever let them in before.
void set_password(Turn& turn, const SetPassword& asked);
// By whoever gave the password that was checked against `password`, and a code if they have a second factor.
void open_session(Turn& turn, const OpenSession& asked);

void set_second_factor(Turn& turn, const SetSecondFactor& asked);  // from a session, for oneself

void create_token(Turn& turn, const CreateToken& asked);  // from a session, for oneself
void end_token(Turn& turn, const EndToken& asked);        // one's own; of others as who manages users

void expire_tokens(Turn& turn);

}  // namespace bascule
