-- Tests of nauthilus_keys, with a stand-in for the digest.
local test = require("harness")

local environment = {}
local keys = test.load("lua/lib/nauthilus_keys.lua", {
    require = test.modules({ crypto = { md5 = function(text) return "<" .. text .. ">" end } }),
    os = { getenv = function(name) return environment[name] end },
})

test("a name has a tag with its digest", function() test.equal(keys.account_tag("bob"), "{acm-<bob>}") end)

test("no name has no tag", function()
    test.equal(keys.account_tag(""), "")
    test.equal(keys.account_tag(nil), "")
end)

test("tags can be turned off", function()
    for word, tag in pairs({ ["false"] = "", FALSE = "", ["0"] = "", [""] = "{acm-<bob>}", no = "{acm-<bob>}", ["true"] = "{acm-<bob>}" }) do
        environment = { USE_KEY_HASHTAGS = word }
        test.equal(keys.account_tag("bob"), tag)
    end
end)

test("the prefix can be chosen", function()
    environment = { KEY_HASHTAG_PREFIX = "x:" }
    test.equal(keys.account_tag("bob"), "{x:<bob>}")
    environment = { KEY_HASHTAG_PREFIX = "" }
    test.equal(keys.account_tag("bob"), "{acm-<bob>}")
end)

test.finish()
