// The parts of Boost.Asio that base/net is built on. To be included by the .cc files of base/net only: what
// isn't a template in Asio and Beast is compiled once, in boost_src.cc (the definitions that say so are in
// base/CMakeLists.txt).
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace bascule::net {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;

}  // namespace bascule::net
