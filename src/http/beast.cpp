// Beast's own code, compiled once (BOOST_BEAST_SEPARATE_COMPILATION). Without its assertions: 1.81 asserts that the end
// of a chunked body does not arrive in small pieces, and is right without when it does.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/src.hpp>
