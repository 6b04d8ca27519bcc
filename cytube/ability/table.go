package ability

import "github.com/rosey-bot/rosey/event"

// table has all abilities by their subjects.
var table = map[string]ability{
	event.SubjectSendMediaQueue:      of(queue),
	event.SubjectSendMediaDelete:     of(deleteItem),
	event.SubjectSendMediaJump:       of(jump),
	event.SubjectSendMediaTemp:       of(temp),
	event.SubjectSendMediaMove:       of(move),
	event.SubjectSendMediaSkip:       of(skip),
	event.SubjectSendMediaShuffle:    of(shuffle),
	event.SubjectSendMediaClear:      of(clearList),
	event.SubjectSendMediaVote:       of(vote),
	event.SubjectSendMediaLock:       of(lock),
	event.SubjectSendMediaLeader:     of(leader),
	event.SubjectSendMediaSaveList:   of(saveList),
	event.SubjectSendMediaQueueList:  of(queueList),
	event.SubjectSendMediaDeleteList: of(deleteList),

	event.SubjectSendPollOpen:  of(openPoll),
	event.SubjectSendPollClose: of(closePoll),
	event.SubjectSendPollVote:  of(votePoll),

	event.SubjectSendKick:       of(kick),
	event.SubjectSendBan:        of(ban),
	event.SubjectSendBanAddress: of(banAddress),
	event.SubjectSendUnban:      of(unban),
	event.SubjectSendMute:       of(mutes("/mute", event.ActionMute)),
	event.SubjectSendShadowMute: of(mutes("/smute", event.ActionShadowMute)),
	event.SubjectSendUnmute:     of(unmute),
	event.SubjectSendRank:       of(rank),
	event.SubjectSendClear:      of(clearChat),

	event.SubjectSendMOTD: of(texts(event.SubjectMOTD, "setMotd", "motd", "setMotd", options{needs: []string{"motdedit"}})),
	event.SubjectSendCSS:  of(texts(event.SubjectCSS, "setChannelCSS", "css", "channelCSSJS", options{least: 3})),
	event.SubjectSendJS:   of(texts(event.SubjectJS, "setChannelJS", "js", "channelCSSJS", options{least: 3})),

	event.SubjectSendOptions:       of(channelOptions),
	event.SubjectSendPermissions:   of(permissions),
	event.SubjectSendChannelEmote:  of(emote),
	event.SubjectSendChannelEmotes: of(emotes),
	event.SubjectSendFilter:        of(filter),
	event.SubjectSendFilters:       of(filters),

	event.SubjectSendAFK: of(afk),
}
