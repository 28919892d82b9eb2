#include "app/command_line.hpp"

int main(int argc, char** argv) {
  return amc::app::run(argc, argv);
}
