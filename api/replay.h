// `bascule-manager replay FILE…`: what a journal says, decided again.
#pragma once

namespace bascule::api {

// The command line from "replay" on. Returns the exit code: 0 all as recorded, 1 a difference or a file that
// can't be read, 2 wrong usage.
int replay_command(int argc, char** argv);

}  // namespace bascule::api
