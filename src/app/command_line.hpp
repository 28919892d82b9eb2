#pragma once

namespace amc::app {

/// The command line: parses, runs the subcommand, reports errors on one line. Returns the exit code: 0, 1, or 2 for
/// wrong usage or configuration.
int run(int argc, char** argv);

}  // namespace amc::app
