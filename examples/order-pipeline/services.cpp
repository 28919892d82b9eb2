#include "services.hpp"

int main(int argc, char** argv) {
  return amc::serve(argc, argv, orders::all());
}
