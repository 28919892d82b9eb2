#include <amc/service.hpp>

int main(int argc, char** argv) {
  return amc::serve(argc, argv, {{"greeter", "names", [](const amc::delivery& name) {
    if (name.text().empty()) throw amc::reject("nobody to greet");
    return amc::answer("Hello, " + name.text() + "!").done();
  }}});
}
