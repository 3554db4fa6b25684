---@meta nauthilus_neural

--- Accepts features for a neural network, which this server does not have.
---@class nauthilus_neural
local nauthilus_neural = {}

--- Does nothing.
---@param features table<string, any>
function nauthilus_neural.add_additional_features(features) end

return nauthilus_neural
